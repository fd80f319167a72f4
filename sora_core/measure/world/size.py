"""Size: whether things take the same share of the frame when the scene has another size."""

from collections.abc import Sequence

import numpy as np

from ...shapes import Frames, Size
from .clips import Clips, Sample, read_all
from .row import Row, mean_row, share_row
from .tracker import track

TESTED_SIZES = ((64, 64), (96, 96), (128, 128), (112, 64), (64, 112), (160, 96))
SIZE_FRAMES = 9
LEAST_RATIO, MOST_RATIO = 0.8, 1.25  # a thing of another stated size is 1.25 times as large
FRAMES_RIGHT = 0.8  # share of frames that must have the thing once


def relative(sample: Sample, frames: Frames) -> float:
    """The thing's width as a share of the true one; 0 if it is not found once in enough frames."""
    found = track(frames, sample.tints[0])
    if (found.pieces == 1).mean() < FRAMES_RIGHT:
        return 0.0
    true = track(sample.clip.frames, sample.tints[0])
    return float(np.sqrt(np.median(found.area) / np.median(true.area)))


def rows(clips: Clips, count: int, sizes: Sequence[tuple[int, int]] = TESTED_SIZES) -> list[Row]:
    """`size/WIDTHxHEIGHT`: the share with one thing of the right size; `_width`: as a share."""
    found = []
    for width, height in sizes:
        samples = clips.samples("still", count, size=Size(width, height, SIZE_FRAMES))
        trio = read_all(clips, samples, relative)
        sides, name = (trio.true, trio.limit, trio.generated), f"size/{width}x{height}"
        right = ([LEAST_RATIO <= v <= MOST_RATIO for v in side] for side in sides)
        found += [share_row(name, *right), mean_row(f"{name}_width", *sides)]
    return found
