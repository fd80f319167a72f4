"""Count: the share of frames with exactly one thing of each colour that should be there."""

from collections.abc import Sequence

import numpy as np

from ...shapes import Frames, Size
from .clips import Clips, Sample, read_all
from .row import Row, mean_row
from .tracker import track

VISIBLE = 0.6  # of its outline: so much of a thing must truly be in view for a frame to count


def right_count(sample: Sample, frames: Frames) -> float:
    """The share of frames in which each thing is there once; where the truth hides one, all
    counts are right."""
    right = np.ones(len(frames), dtype=bool)
    for k, tint in enumerate(sample.tints):
        seen = sample.clip.truth.visible[k].numpy() >= VISIBLE
        right &= ~seen | (track(frames, tint).pieces == 1)
    return float(right.mean())


def rows(clips: Clips, count: int, kinds: Sequence[str], name: str, size: Size) -> list[Row]:
    """`count/NAME` over clips of `kinds`, `count` of each."""
    samples = [sample for kind in kinds for sample in clips.samples(kind, count, size=size)]
    trio = read_all(clips, samples, right_count)
    return [mean_row(f"count/{name}", trio.true, trio.limit, trio.made)]
