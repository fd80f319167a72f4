"""Noise levels of tokens: how a row states them, and how modulation applies them.

Axes: b rows, n tokens in a row, d width, m noise levels in a row, k of them that differ.

A row states `m` levels, each for an equal run of its tokens: one for the whole clip, one a frame,
or one a token. Embeddings and modulation are computed once for each level.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool3d, layer_norm

from ..shapes import Grid
from .patchify import LATENT_PATCH


@dataclass(frozen=True, slots=True)
class PackedRow:
    """The clips of a packed row: how many tokens each has, and noise levels for equal runs of
    them."""

    tokens: tuple[int, ...]
    levels: tuple[int, ...]


Runs = PackedRow | Int[Tensor, " n"] | None
"""Which noise levels are for which tokens: equal runs of the clips of a packed row; the number of
each token's level; or equal runs of the row."""


def timestep_embedding(sigma: Float[Tensor, "b m"], width: int) -> Float[Tensor, "b m d"]:
    """Waves of `sigma`, from one period over [0, 1] to a thousand."""
    frequencies = torch.exp(
        torch.linspace(0, math.log(1000), width // 2, device=sigma.device, dtype=torch.float32)
    )
    angles = sigma.float()[..., None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def modulate(
    x: Float[Tensor, "b n d"],
    shift: Float[Tensor, "b m d"],
    scale: Float[Tensor, "b m d"],
    clips: Runs = None,
) -> Float[Tensor, "b n d"]:
    """`x` normalised, then scaled and shifted by the noise level of each of its runs of tokens."""

    def apply(runs: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        return torch.addcmul(shift, runs, 1 + scale)

    return per_segment(apply, layer_norm(x, x.shape[-1:]), (shift, scale), clips)


def gated_residual(
    x: Float[Tensor, "b n d"],
    gate: Float[Tensor, "b m d"],
    y: Float[Tensor, "b n d"],
    clips: Runs = None,
) -> Float[Tensor, "b n d"]:
    """`x + gate * y`, with the row of `gate` for the noise level of each token, as by `clips`."""
    return x + per_segment(torch.mul, y, (gate,), clips)


def per_segment(
    apply: Callable[..., Tensor], x: Tensor, levels: tuple[Tensor, ...], clips: Runs
) -> Float[Tensor, "b n d"]:
    """`apply` of each run of the tokens `x` and of the rows of `levels` that are for it."""
    if isinstance(clips, Tensor):
        return apply(x, *(level[:, clips] for level in levels))
    if clips is not None:
        rows = zip(*(level.split(clips.levels, dim=1) for level in levels), strict=True)
        parts = zip(x.split(clips.tokens, dim=1), rows, strict=True)
        return torch.cat([per_segment(apply, part, row, None) for part, row in parts], dim=1)
    if levels[0].shape[1] == 1:  # the usual case, without views
        return apply(x, *levels)
    runs = rearrange(x, "b (m s) d -> b m s d", m=levels[0].shape[1])
    return apply(runs, *(level[:, :, None] for level in levels)).flatten(1, 2)


def distinct(
    levels: Float[Tensor, "b m"], tokens: int
) -> tuple[Float[Tensor, "b k"], Int[Tensor, " n"]]:
    """The columns of `levels` that differ, and the number of that of each of `tokens`.

    Modulation is then computed once for each: for known and open footage, or two halves of a clip,
    that is twice, whatever the shape of either.
    """
    few, numbers = levels.unique(dim=1, return_inverse=True)
    return few, repeat(numbers, "m -> (m s)", s=tokens // levels.shape[1])


def token_levels(
    sigma: Float[Tensor, "#b 1 #t #y #x"], batch: int, grid: Grid, patch: int = LATENT_PATCH
) -> Float[Tensor, "b m"]:
    """The fewest noise levels per row that represent `sigma`, averaged over a patch's cells."""
    if sigma.shape[3:] != (1, 1):
        cells = sigma.expand(-1, -1, grid.frames, grid.rows, grid.columns)
        levels = avg_pool3d(cells, (1, patch, patch)).flatten(1)
    else:
        levels = sigma[:, 0, :, 0, 0]
    return repeat(levels, "1 m -> b m", b=batch) if len(levels) == 1 else levels
