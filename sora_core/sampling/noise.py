"""White noise that keeps its composition when the size changes. Axes: b c t y x, as in shapes."""

import math

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from ..errors import SizeError, check_range
from ..shapes import Latent

MAX_SEED = 2**64 - 1


def seeded_noise(
    seed: int,
    shape: tuple[int, int, int, int, int],
    step: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Latent:
    """Independent unit Gaussians of `shape`, the same for a seed on every device.

    Twice the mean of each 2x2 block is the same seed's noise at half the width and height, wherever
    both are even: a draft and its final agree. A longer clip begins with the noise of a shorter
    one, a larger batch with that of a smaller one. Each `step` of a stochastic sampler has its own
    noise. ConfigError for a seed outside [0, MAX_SEED], SizeError for an empty shape.
    """
    check_range("seed", seed, 0, MAX_SEED)
    if min(shape) < 1:
        raise SizeError(f"noise of shape {shape}: every side must be at least 1")
    items = [seeded_item(seed, step, item, *shape[1:]) for item in range(shape[0])]
    return torch.stack(items).to(device, dtype)


def seeded_item(
    seed: int, step: int, item: int, channels: int, frames: int, rows: int, columns: int
) -> Float[Tensor, "c t y x"]:
    """The noise of one batch item, refined from the coarsest level to which its sides halve."""
    common = math.gcd(rows, columns)
    levels = (common & -common).bit_length() - 1  # how often both sides halve
    rows, columns = rows >> levels, columns >> levels

    # Philox is counter-based: each (level, item, step) addresses its own stream without hashing.
    def normal(level: int, *shape: int) -> Tensor:
        stream = np.random.Philox(key=seed, counter=[0, level, item, step])
        return torch.from_numpy(np.random.Generator(stream).standard_normal(shape, np.float32))

    # Frames are the first axis in memory, so that a longer clip reads further into each stream.
    noise = normal(0, frames, channels, rows, columns)
    for level in range(levels):
        detail = normal(level + 1, frames, 3, channels, rows << level, columns << level)
        noise = refine_noise(noise, *detail.unbind(1))
    return rearrange(noise, "t c y x -> c t y x")


def refine_noise(
    parent: Float[Tensor, "t c y x"],
    across: Float[Tensor, "t c y x"],
    down: Float[Tensor, "t c y x"],
    diagonal: Float[Tensor, "t c y x"],
) -> Float[Tensor, "t c y2 x2"]:
    """Noise with twice the rows and columns, whose 2x2 blocks average to half of `parent`.

    One inverse Haar transform of `parent` and three details. It is orthonormal, so white noise
    stays white.
    """
    top, bottom = parent + down, parent - down
    lean_top, lean_bottom = across + diagonal, across - diagonal
    blocks = [top + lean_top, top - lean_top, bottom + lean_bottom, bottom - lean_bottom]
    return rearrange(torch.stack(blocks), "(i j) t c y x -> t c (y i) (x j)", i=2) / 2
