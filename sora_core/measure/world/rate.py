"""Rate: whether the same scene at another frame rate has the same speed in the world."""

from collections.abc import Sequence

import numpy as np

from ...shapes import Frames, Size
from .clips import Clips, Sample, read_all
from .physics import fit_roll
from .row import Row, mean_row, share_row
from .shape import CALIBRATION_SCENE

RATE_SECONDS = 1.0  # of clips at other rates than the usual one
TESTED_RATES = (8, 16, 24)
SPEED_TOLERANCE = 0.1  # added to the range of the limit: captions state speed no more precisely


def speed(sample: Sample, frames: Frames) -> float:
    """Pixels a second in the requested direction; 0 if the thing is not found."""
    return float(np.nan_to_num(fit_roll(sample, frames)["speed"])) * sample.shot.fps


def rows(
    clips: Clips, count: int, calibration: int, rates: Sequence[int] = TESTED_RATES
) -> list[Row]:
    """`rate/FPS`: the share with a speed of the limit's range; `_pace`: speed as a share of it."""
    found = []
    for fps in rates:
        size = Size(64, 64, 17 if fps == 8 else round(RATE_SECONDS * fps) // 4 * 4 + 1)
        usual = [
            speed(s, clips.limit(s))
            for s in clips.samples("roll", calibration, CALIBRATION_SCENE, size, fps)
        ]
        low, high = min(usual) * (1 - SPEED_TOLERANCE), max(usual) * (1 + SPEED_TOLERANCE)
        trio = read_all(clips, clips.samples("roll", count, size=size, fps=fps), speed)
        sides = (trio.true, trio.limit, trio.generated)
        middle = float(np.median(usual))
        found += [
            share_row(f"rate/{fps}", *([low <= v <= high for v in side] for side in sides)),
            mean_row(f"rate/{fps}_pace", *([v / middle for v in side] for side in sides)),
        ]
    return found
