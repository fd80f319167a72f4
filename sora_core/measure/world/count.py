"""Count: the share of frames with exactly the things that should be there."""

from collections.abc import Sequence

import numpy as np
import torch

from ...shapes import Frames, Size
from .clips import Clips, Sample, read_all
from .row import Row, mean_row
from .tracker import track, track_of
from .worlds import FIRST_THING

VISIBLE = 0.6  # of its outline: so much of a thing must truly be in view for a frame to count


def right_count(sample: Sample, frames: Frames) -> float:
    """The share of frames with as many things of each colour as should be there; frames in which
    the truth hides one, or two of a colour touch, do not count, and are right if all are such."""
    clip, right, counted = sample.clip, [], []
    for tint, numbers in zip(sample.tints, sample.things, strict=True):
        wanted = torch.isin(clip.segments, torch.tensor(numbers, dtype=clip.segments.dtype))
        counted.append(track_of(wanted.float()).pieces == len(numbers))
        for k in numbers:
            counted.append(clip.truth.visible[k - FIRST_THING].numpy() >= VISIBLE)
        right.append(track(frames, tint).pieces == len(numbers))
    usable = np.logical_and.reduce(counted)
    return float(np.logical_and.reduce(right)[usable].mean()) if usable.any() else 1.0


def rows(clips: Clips, count: int, kinds: Sequence[str], name: str, size: Size) -> list[Row]:
    """`count/NAME` over clips of `kinds`, `count` of each."""
    samples = [sample for kind in kinds for sample in clips.samples(kind, count, size=size)]
    trio = read_all(clips, samples, right_count)
    return [mean_row(f"count/{name}", trio.true, trio.limit, trio.reconstructed)]
