"""Histogram matching of red, green and blue between two pictures.

Axes: b batch, y rows, x columns. Pictures are in [-1, 1]; levels count 255ths of that, from 0.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

HISTOGRAM_LEVELS = 256
MAX_LEVEL_SHIFT = 4.0  # larger differences come from content, not from colour
SMOOTH = 9  # levels over which a shift is smoothed, so that it stays monotonic

Shift = Float[Tensor, "3 level"]
"""The shift of each level of each channel, in levels."""


def level_shift(here: Float[Tensor, "b 3 y x"], there: Float[Tensor, "b 3 y x"]) -> Shift:
    """The shift that matches the histogram of `here` to `there`, at most `MAX_LEVEL_SHIFT` levels.

    Histogram matching (Gonzalez and Woods, Digital Image Processing, 3.3.2), smoothed.
    """
    pairs = zip(_histogram(here).unbind(1), _histogram(there).unbind(1), strict=True)
    shift = torch.stack([_matching(*pair) for pair in pairs])
    smooth = avg_pool1d(pad(shift, (SMOOTH // 2,) * 2, mode="replicate"), SMOOTH, stride=1)
    return smooth.clamp(-MAX_LEVEL_SHIFT, MAX_LEVEL_SHIFT)


def shift_levels(picture: Float[Tensor, "b 3 y x"], shift: Shift) -> Float[Tensor, "b 3 y x"]:
    """`picture` with its levels moved by `shift`."""
    moves = [
        table.to(picture)[channel]
        for table, channel in zip(shift, _histogram(picture).unbind(1), strict=True)
    ]
    return picture + torch.stack(moves, dim=1) * (2 / (HISTOGRAM_LEVELS - 1))


def _histogram(picture: Float[Tensor, "b 3 y x"]) -> Tensor:
    levels = ((picture + 1) * ((HISTOGRAM_LEVELS - 1) / 2)).nan_to_num()  # a host shows them black
    return levels.round().clamp(0, HISTOGRAM_LEVELS - 1).long()


def _matching(here: Tensor, there: Tensor) -> Float[Tensor, " level"]:
    """The difference of each level `here` from the one of the same rank `there`."""
    (own, own_rank), (other, other_rank) = _ranks(here), _ranks(there)
    gap = np.interp(own_rank, other_rank, other) - own
    return torch.from_numpy(np.interp(np.arange(HISTOGRAM_LEVELS), own, gap)).float()


def _ranks(channel: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The levels that occur, and the share of pixels below each plus half of its own."""
    counts = torch.bincount(channel.flatten(), minlength=HISTOGRAM_LEVELS).cpu().numpy()
    ranks = (counts.cumsum() - counts / 2) / counts.sum()
    (levels,) = counts.nonzero()
    return levels, ranks[levels]
