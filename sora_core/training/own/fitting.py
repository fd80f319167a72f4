"""The size and length of clips from those of a file: arithmetic of the plan."""

import math

from ...shapes import COMPRESSION, MAX_SIDE
from .plan import SIDE_STEP

SHORTEST = 1 + COMPRESSION.time  # frames of the shortest clip with motion
NOTED_CROP = 0.005  # a smaller share of the picture counts as rounding


def fitted_sides(width: int, height: int, area: int) -> tuple[int, int]:
    """Width and height, multiples of 16, for footage of `width` x `height`.

    At most `area` pixels, no larger than the footage, with the nearest aspect ratio; the largest
    of equally near ones.
    """
    scale = min(1.0, math.sqrt(area / (width * height)), MAX_SIDE / max(width, height))
    columns, rows = width * scale / SIDE_STEP, height * scale / SIDE_STEP
    candidates = [
        (x, y)
        for x in _whole_cells(columns)
        for y in _whole_cells(rows)
        if x * y * SIDE_STEP**2 <= area and x * SIDE_STEP <= width and y * SIDE_STEP <= height
    ] or [(max(1, int(columns)), max(1, int(rows)))]
    x, y = min(candidates, key=lambda c: (cropped_share(width, height, *c), -c[0] * c[1]))
    if x * y * SIDE_STEP**2 > area:  # a narrow strip: one side is already 16 px
        x, y = min(x, area // SIDE_STEP**2 // y or 1), min(y, area // SIDE_STEP**2 // x or 1)
    return x * SIDE_STEP, y * SIDE_STEP


def _whole_cells(cells: float) -> list[int]:
    return sorted({max(1, math.floor(cells)), max(1, math.ceil(cells))})


def cropped_share(width: int, height: int, new_width: int, new_height: int) -> float:
    """The share of `width` x `height` that is cropped when it covers the new size."""
    old, new = width / height, new_width / new_height
    return 1 - min(old, new) / max(old, new)


def size_note(width: int, height: int, new_width: int, new_height: int) -> str | None:
    """A sentence on scaling and cropping; None where the size does not change."""
    if (width, height) == (new_width, new_height):
        return None
    cut = cropped_share(width, height, new_width, new_height)
    loss = f", {cut:.0%} of the picture cropped" if cut >= NOTED_CROP else ""
    return f"scaled from {width}x{height}{loss}"


def clip_spans(frames: int, longest: int, most: int) -> tuple[list[tuple[int, int]], int]:
    """Up to `most` parts of `frames` frames as (first, count), and the number of unused frames.

    Each part has 1 + 4k frames and at most `longest`.
    """
    parts: list[tuple[int, int]] = []
    first = 0
    while len(parts) < most:
        count = min(longest, frames - first)
        count = count - (count - 1) % COMPRESSION.time if count >= 1 else 0
        if (count < min(SHORTEST, longest) and parts) or count < 1:
            break
        parts.append((first, count))
        first += count
        if longest == 1:
            break  # stills of one file are nearly equal
    return parts, frames - first
