"""Latents as patches of cells, and the position of each patch.

Axes: b batch, c channels, t frames, y rows, x columns, n tokens.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from ..shapes import Grid, Latent

LATENT_PATCH = 2
"""Latent cells on a side of a patch, by default; a patch spans one latent frame."""


def patchify(latent: Latent, patch: int = LATENT_PATCH) -> Float[Tensor, "b n d"]:
    """One token for each `patch` x `patch` cells of each latent frame, in reading order."""
    return rearrange(latent, "b c t (y i) (x j) -> b (t y x) (i j c)", i=patch, j=patch)


def unpatchify(tokens: Float[Tensor, "b n d"], grid: Grid, patch: int = LATENT_PATCH) -> Latent:
    """The latent of size `grid` from its `tokens`, the inverse of `patchify`."""
    return rearrange(
        tokens,
        "b (t y x) (i j c) -> b c t (y i) (x j)",
        t=grid.frames,
        y=grid.rows // patch,
        x=grid.columns // patch,
        i=patch,
        j=patch,
    )


def patch_positions(
    grid: Grid,
    start: float | Float[Tensor, " t"] = 0.0,
    device: torch.device | None = None,
    patch: int = LATENT_PATCH,
) -> Float[Tensor, "n 5"]:
    """For each token of `grid`: time, row and column in tokens, then row and column in [-1, 1].

    Time counts latent frames from the first frame of the whole video; `start`, which may be
    negative, is that of the first token. Rows and columns are centred; the last two are relative to
    the height and width of the frame.
    """
    rows, columns = grid.rows // patch, grid.columns // patch
    t = start + torch.arange(grid.frames, device=device, dtype=torch.float32)
    y = torch.arange(rows, device=device, dtype=torch.float32) - (rows - 1) / 2
    x = torch.arange(columns, device=device, dtype=torch.float32) - (columns - 1) / 2
    t, y, x = (axis.flatten() for axis in torch.meshgrid(t, y, x, indexing="ij"))
    return torch.stack([t, y, x, 2 * y / rows, 2 * x / columns], dim=-1)
