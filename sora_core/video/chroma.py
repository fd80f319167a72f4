"""Chroma at half resolution: the least-squares inverse of the filter that enlarges it.

Readers enlarge the halved chroma of 4:2:0 by a bicubic filter U. The writer stores D x with D
the pseudo-inverse of U, so that D U = 1: chroma that was read is written unchanged, however often
a file is saved and read again. Axes: c planes, y rows, x columns.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

SHARPNESS = 0.6  # of the bicubic filter of libswscale: B = 0, C = 0.6 of Mitchell and Netravali
SITED_LEFT, SITED_CENTRE = 0.0, 0.5
"""Position of halved samples among their full-size ones: at the first, or in the middle."""

BLOCK_SAMPLES = 32  # halved samples computed by one matrix product
MARGIN_SAMPLES = 24  # full-size samples beyond a block with a weight above 1e-4
SHORT_SAMPLES = 3 * BLOCK_SAMPLES  # halved samples of the axis whose inverse serves all longer ones


@dataclass(frozen=True, slots=True)
class HalvingBlock:
    """A run of halved samples, the full-size samples that they depend on, and the matrix."""

    halved: slice
    full: slice
    matrix: Float[Tensor, "n m"]


class ChromaHalving:
    """Halves planes of `height` x `width`: columns sited left and rows centred, as MPEG-2 does."""

    def __init__(self, height: int, width: int) -> None:
        self.rows, self.columns = (
            halving_blocks(height, SITED_CENTRE),
            halving_blocks(width, SITED_LEFT),
        )
        self.size = -(-height // 2), -(-width // 2)

    def __call__(self, planes: Float[Tensor, "c y x"]) -> Float[Tensor, "c y2 x2"]:
        rows = planes.new_empty(len(planes), self.size[0], planes.shape[2])
        for block in self.rows:
            rows[:, block.halved] = block.matrix @ planes[:, block.full]
        halved = planes.new_empty(len(planes), *self.size)
        for block in self.columns:
            halved[:, :, block.halved] = rows[:, :, block.full] @ block.matrix.T
        return halved


def enlarging(
    halved: int, full: int, siting: float, rows: range | None = None
) -> Float[np.ndarray, "full halved"]:
    """The bicubic filter from `halved` to `full` samples; beyond the ends the last one repeats.

    Of an odd `full`, libswscale stretches the halved samples to its length. `rows` are the
    full-size samples to return; None is all of them.
    """
    rows = rows or range(full)
    places = (np.arange(rows.start, rows.stop) + siting) * halved / full - siting
    first = np.floor(places).astype(int)
    weights = np.zeros((len(rows), halved))
    for tap in range(-1, 3):
        near = (first + tap).clip(0, halved - 1)
        np.add.at(weights, (np.arange(len(rows)), near), _bicubic(places - first - tap))
    return weights


def halving_blocks(full: int, siting: float) -> list[HalvingBlock]:
    """The pseudo-inverse of `enlarging` for an axis of `full` samples, as blocks near its diagonal.

    The rows of an even axis repeat, but for those near the ends: all come from the inverse of a
    short one. Those of an odd axis are computed for each block from its neighbourhood.
    """
    count = -(-full // 2)
    if count <= SHORT_SAMPLES:
        inverse = np.linalg.pinv(enlarging(count, full, siting))
        return [HalvingBlock(slice(0, count), slice(0, full), _float(inverse))]
    if full % 2:
        return [_odd_block(count, full, siting, begin) for begin in range(0, count, BLOCK_SAMPLES)]
    inverse = np.linalg.pinv(enlarging(SHORT_SAMPLES, 2 * SHORT_SAMPLES, siting))
    part = partial(_block, inverse, full)
    inner = [
        part(begin, BLOCK_SAMPLES)
        for begin in range(BLOCK_SAMPLES, count - BLOCK_SAMPLES, BLOCK_SAMPLES)
    ]
    return [part(0, 0), *inner, part(count - BLOCK_SAMPLES, SHORT_SAMPLES - BLOCK_SAMPLES)]


def _block(inverse: np.ndarray, full: int, begin: int, row: int) -> HalvingBlock:
    """The block from halved sample `begin` on; its weights stand from `row` of `inverse` on."""
    rows = slice(row, row + BLOCK_SAMPLES)
    reach = 2 * row - MARGIN_SAMPLES, 2 * (row + BLOCK_SAMPLES) + MARGIN_SAMPLES
    low, high = max(0, reach[0]), min(inverse.shape[1], reach[1])
    shift = 2 * (begin - row)
    high = min(high, full - shift)
    weights = inverse[rows, low:high]
    weights = weights / weights.sum(1, keepdims=True)  # flat chroma stays unchanged
    halved, source = slice(begin, begin + BLOCK_SAMPLES), slice(low + shift, high + shift)
    return HalvingBlock(halved, source, _float(weights))


def _odd_block(count: int, full: int, siting: float, begin: int) -> HalvingBlock:
    end = min(count, begin + BLOCK_SAMPLES)
    low, high = max(0, begin - MARGIN_SAMPLES), min(count, end + MARGIN_SAMPLES)
    rows = range(0 if low == 0 else 2 * low + 2, full if high == count else 2 * high - 4)
    inverse = np.linalg.pinv(enlarging(count, full, siting, rows)[:, low:high])
    weights = inverse[begin - low : end - low]
    weights = weights / weights.sum(1, keepdims=True)
    return HalvingBlock(slice(begin, end), slice(rows.start, rows.stop), _float(weights))


def _bicubic(distance: np.ndarray) -> np.ndarray:
    d = abs(distance)
    near = (2 - SHARPNESS) * d**3 - (3 - SHARPNESS) * d**2 + 1
    far = SHARPNESS * (-(d**3) + 5 * d**2 - 8 * d + 4)
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))


def _float(matrix: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(matrix, np.float32))
