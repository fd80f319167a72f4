"""Loop: whether a travelling thing keeps its speed from the last frame to the first."""

from dataclasses import replace

import numpy as np

from ...shapes import Frames, Size
from .clips import Clips, Sample, exact_canvas
from .row import Row, mean_row
from .tracker import track

LOOP_FRAMES = 16  # whole latent frames: a ring has no first one alone


def step(sample: Sample, frames: Frames) -> float:
    """The median speed in the requested direction, in pixels a frame, with the thing in view.

    Leaving at one side and entering at the other is allowed."""
    found = track(frames, sample.tints[0])
    both = found.inside[:-1] & found.inside[1:]
    moved = np.diff(found.x)[both]
    x = sample.clip.truth.screen[0, :, 0]
    return float(np.median(moved) * np.sign((x[-1] - x[0]).item())) if len(moved) else 0.0


def rows(clips: Clips, count: int) -> list[Row]:
    """`loop/flow`: the looped clip's step as a share of the free one's, from 0 to 1."""
    samples = clips.samples("roll", count)
    limit, result = [], []
    for sample in samples:
        usual = step(sample, sample.clip.frames)
        limit.append(_share(step(sample, clips.limit(sample)), usual))
        size = Size(sample.shot.size.width, sample.shot.size.height, LOOP_FRAMES)
        ring = replace(exact_canvas(size, sample.shot.fps), ring=True)
        looped = clips.generate(sample.caption, ring, sample.shot.number)
        result.append(_share(step(sample, looped), step(sample, clips.generated(sample))))
    return [mean_row("loop/flow", [1.0] * len(samples), limit, result)]


def _share(value: float, usual: float) -> float:
    return min(1.0, max(0.0, value / usual)) if usual > 0 else 0.0
