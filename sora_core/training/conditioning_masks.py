"""Masks of known footage in training, for extending, connecting and inpainting.

Axes: b batch, t latent frames, y rows, x columns of latent cells.
"""

import torch
from einops import repeat
from jaxtyping import Float
from torch import Tensor

from ..models.patchify import LATENT_PATCH
from ..shapes import Grid

KnownSpan = tuple[int, int]
"""The first latent frame that is generated, and the first that is known again."""

MASK_KINDS = ("first", "last", "both ends", "prefix", "suffix", "box")


def open_span(grid: Grid, span: KnownSpan) -> Float[Tensor, "1 t y x"]:
    """A mask of 1 in the frames of `span`, and 0 before and after it."""
    mask = torch.zeros(1, *grid.shape)
    mask[:, slice(*span)] = 1
    return mask


def draw_mask(grid: Grid, kind: str, generator: torch.Generator) -> Float[Tensor, "1 t y x"]:
    """A random mask of one of MASK_KINDS: 1 where the model generates, 0 where footage is known."""
    mask = torch.ones(1, *grid.shape)

    def number(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    if kind == "first":
        mask[:, 0] = 0
    if kind == "last":
        mask[:, -1] = 0
    if kind == "both ends" and grid.frames > 2:
        begins = number(1, grid.frames - 1)
        mask[:, :begins] = 0
        mask[:, number(begins + 1, grid.frames) :] = 0
    if kind == "prefix":
        mask[:, : number(1, grid.frames)] = 0
    if kind == "suffix":
        mask[:, number(1, grid.frames) :] = 0
    if kind == "box":  # generated inside and known outside, or in one case of three the reverse
        rows, columns = grid.rows // LATENT_PATCH, grid.columns // LATENT_PATCH
        top, left = number(0, max(rows - 1, 1)), number(0, max(columns - 1, 1))
        height, width = number(1, rows - top + 1), number(1, columns - left + 1)
        patches = torch.zeros(rows, columns)
        patches[top : top + height, left : left + width] = 1
        if number(0, 3) == 0:
            patches = 1 - patches
        mask[0] = repeat(
            patches, "y x -> t (y i) (x j)", t=grid.frames, i=LATENT_PATCH, j=LATENT_PATCH
        )
    return mask if mask.any() else torch.ones_like(mask)  # a fully known clip has no loss
