"""Long videos in windows of time: a denoiser that sees a few latent frames at once.

Axes: b c t y x, as in shapes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError
from ..shapes import Latent
from .samplers import Denoise, Sigma

DenoiseAt = Callable[[int], Denoise]
"""The denoiser of a clip that begins at a latent frame of the whole video, which tells the model
where it is."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How many latent frames a model sees at a time, and how many of them the next window sees."""

    length: int
    overlap: int

    def __post_init__(self) -> None:
        length, overlap = self.length, self.overlap
        if not 0 <= overlap < length:
            raise ConfigError(
                f"window of {length}, overlap {overlap}: choose 0 <= overlap < length"
            )

    def denoiser(self, denoise_at: DenoiseAt) -> Denoise:
        """`windowed_denoiser` of this kind."""
        return windowed_denoiser(denoise_at, self.length, self.overlap)


def windowed_denoiser(denoise_at: DenoiseAt, length: int, overlap: int) -> Denoise:
    """A denoiser of any number of latent frames that sees `length` of them at a time.

    Neighbours share `overlap` frames or a little more, so that all windows are equally long. There
    the clean predictions are blended: the outer quarter of an overlap is context alone and counts
    for nothing, so a model that looks no further than that gives what it gives for the whole.
    """
    Windows(length, overlap)  # refuses what never advances

    def windowed(x: Latent, sigma: Sigma) -> Latent:
        frames = x.shape[2]
        if frames <= length:
            return denoise_at(0)(x, sigma)
        total, weights = torch.zeros_like(x), x.new_zeros(frames, 1, 1)
        for start in window_starts(frames, length, overlap):
            here = slice(start, start + length)
            weight = window_weights(frames, start, length, overlap).to(x)
            total[:, :, here] += weight * denoise_at(start)(
                x[:, :, here], sigma_frames(sigma, here)
            )
            weights[here] += weight
        return total / weights

    return windowed


def window_starts(frames: int, length: int, overlap: int) -> list[int]:
    """Where the fewest windows begin that cover `frames` and overlap at least so far, evenly."""
    count = 1 + math.ceil((frames - length) / (length - overlap))
    return [round(i * (frames - length) / max(1, count - 1)) for i in range(count)]


def window_weights(frames: int, start: int, length: int, overlap: int) -> Float[Tensor, "t 1 1"]:
    """How much each frame of a window counts: 1 inside, falling to 0 towards the other windows."""
    context = overlap // 4
    place = torch.arange(length)
    nearest = torch.full((length,), math.inf)  # frames to an end that another window goes beyond
    if start > 0:
        nearest = torch.minimum(nearest, place)
    if start + length < frames:
        nearest = torch.minimum(nearest, length - 1 - place)
    weight = (nearest - context + 1) / (overlap - 2 * context + 1)
    return weight.clamp(0, 1)[:, None, None]


def sigma_frames(
    sigma: Sigma, frames: slice | Tensor
) -> float | Float[Tensor, "#b 1 s #y #x"]:  # s: of the t, those chosen
    """The noise levels of some of the frames."""
    if isinstance(sigma, Tensor) and sigma.shape[2] > 1:
        return sigma[:, :, frames]
    return sigma
