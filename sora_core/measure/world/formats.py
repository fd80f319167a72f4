"""Formats: whether the same scene at another frame rate or size moves and looks the same."""

from collections.abc import Sequence

import numpy as np

from ...shapes import Frames, Size
from .clips import Clips, Sample, calibration_readings, read_all
from .physics import fit_roll
from .row import Row
from .tracker import track

RATE_SECONDS = 1.0  # of clips at other rates than the usual one
TESTED_RATES = (8, 16, 24)
SPEED_TOLERANCE = 0.1  # added to the range of the limit: captions state speed no more precisely
TESTED_SIZES = ((64, 64), (96, 96), (128, 128), (112, 64), (64, 112), (160, 96))
SIZE_FRAMES = 9
LEAST_RATIO, MOST_RATIO = 0.8, 1.25  # a thing of another stated size is 1.25 times as large
FRAMES_RIGHT = 0.8  # share of frames that must have the thing once


def speed(sample: Sample, frames: Frames) -> float:
    """Pixels a second in the requested direction; 0 if the thing is not found."""
    return float(np.nan_to_num(fit_roll(sample, frames)["speed"])) * sample.shot.fps


def rate_rows(
    clips: Clips, count: int, calibration: int, rates: Sequence[int] = TESTED_RATES
) -> list[Row]:
    """`rate/FPS`: the share with a speed of the limit's range; `_pace`: speed as a share of it."""
    return [row for fps in rates for row in _rows_at_rate(clips, count, calibration, fps)]


def _rows_at_rate(clips: Clips, count: int, calibration: int, fps: int) -> list[Row]:
    size = Size(64, 64, 17 if fps == 8 else round(RATE_SECONDS * fps) // 4 * 4 + 1)
    usual = calibration_readings(clips, "roll", calibration, speed, size, fps)
    low, high = min(usual) * (1 - SPEED_TOLERANCE), max(usual) * (1 + SPEED_TOLERANCE)
    middle = float(np.median(usual))
    trio = read_all(clips, clips.samples("roll", count, size=size, fps=fps), speed)
    return [
        trio.shares(f"rate/{fps}", lambda value: low <= value <= high),
        trio.means(f"rate/{fps}_pace", lambda value: value / middle),
    ]


def relative_width(sample: Sample, frames: Frames) -> float:
    """The thing's width as a share of the true one; 0 if it is not found once in enough frames."""
    found = track(frames, sample.tints[0])
    if (found.pieces == 1).mean() < FRAMES_RIGHT:
        return 0.0
    true = track(sample.clip.frames, sample.tints[0])
    return float(np.sqrt(np.median(found.area) / np.median(true.area)))


def size_rows(
    clips: Clips, count: int, sizes: Sequence[tuple[int, int]] = TESTED_SIZES
) -> list[Row]:
    """`size/WIDTHxHEIGHT`: the share with one thing of the right size; `_width`: as a share."""
    found = []
    for width, height in sizes:
        samples = clips.samples("still", count, size=Size(width, height, SIZE_FRAMES))
        trio, name = read_all(clips, samples, relative_width), f"size/{width}x{height}"
        found.append(trio.shares(name, lambda value: LEAST_RATIO <= value <= MOST_RATIO))
        found.append(trio.means(f"{name}_width"))
    return found
