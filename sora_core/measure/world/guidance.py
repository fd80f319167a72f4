"""Guidance: the move of a result from its footage to its prompt as the two scales change.

The footage shows a thing in one colour, the prompt asks for another."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ...canvas import edits
from ...shapes import Frames
from .clips import Clips, Sample, exact_canvas
from .connect import TURNS, VIVID_COLOURS
from .edit import sample_of
from .row import Row, mean_row_of
from .tracker import hue_difference, track

SCALES = ((1.0, 4.0), (2.0, 2.0), (4.0, 1.0), (8.0, 1.0))  # of the text, of the footage
GUIDED_FIRMNESS = 0.4


def curve(shares: Sequence[float]) -> float:
    """The net rise of the requested colour's share along the scales, 0 to 1."""
    falls = sum(max(0.0, a - b) for a, b in pairwise(shares))
    return max(0.0, shares[-1] - shares[0] - falls)


def asked(sample: Sample, other: Sample, frames: Frames) -> float:
    """The requested colour's share of the thing's area; 0 if neither colour is present."""
    old, new = (np.nan_to_num(track(frames, s.tints[0]).area).sum() for s in (sample, other))
    return float(new / (old + new)) if old + new > 0 else 0.0


def rows(clips: Clips, count: int) -> list[Row]:
    """`guidance/curve`; the true one leads from the footage to the true clip of the prompt."""
    found = []
    for sample in clips.samples("still", 3 * count):
        other = _recoloured(clips, sample)
        if other is None or len(found) == count:
            continue
        canvas = exact_canvas(sample.shot.size, sample.shot.fps)
        canvas = edits.video_to_video(canvas, sample.clip.frames, GUIDED_FIRMNESS)
        results = [
            clips.generate(
                other.caption, canvas, sample.shot.number, guidance=text, footage_guidance=footage
            )
            for text, footage in SCALES
        ]
        ends = (sample, other)
        sides = ([s.clip.frames for s in ends], [clips.limit(s) for s in ends], results)
        found.append([curve([asked(*ends, frames) for frames in side]) for side in sides])
    return [mean_row_of("guidance/curve", found)]


def _recoloured(clips: Clips, sample: Sample) -> Sample | None:
    for step in range(len(VIVID_COLOURS)):
        colour = VIVID_COLOURS[(sample.shot.number + step) % len(VIVID_COLOURS)]
        scene = clips.world.changed(sample.scene, colour=colour)
        other = sample_of(clips, sample, scene, replace(sample.shot, kind=f"still {colour}"))
        if other and hue_difference(sample.tints[0].hue, other.tints[0].hue) >= TURNS[0] * 2:
            return other
    return None
