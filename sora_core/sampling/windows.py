"""Long videos in overlapping windows: each model call gets a few consecutive latent frames.

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
"""From a latent frame of the whole video to the denoiser of a clip that begins there."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Window length in latent frames, and how many of them two neighbouring windows share at least.

    ConfigError unless 0 <= overlap < length: other windows never advance.
    """

    length: int
    overlap: int

    def __post_init__(self) -> None:
        length, overlap = self.length, self.overlap
        if not 0 <= overlap < length:
            raise ConfigError(
                f"window of {length}, overlap {overlap}: choose 0 <= overlap < length"
            )

    def denoiser(self, denoise_at: DenoiseAt) -> Denoise:
        """`windowed_denoiser` with this length and overlap."""
        return windowed_denoiser(denoise_at, self.length, self.overlap)


def windowed_denoiser(denoise_at: DenoiseAt, length: int, overlap: int) -> Denoise:
    """A denoiser of any number of latent frames that calls the model on `length` of them at a time.

    Neighbouring windows share `overlap` frames or a few more, so that all have the same length.
    There the clean predictions are blended with `window_weights`. The outer quarter of an overlap
    has weight 0 and is context only: a model whose receptive field is no larger predicts the same
    as for the whole latent. ConfigError as from `Windows`.
    """
    Windows(length, overlap)  # checks the arguments

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
    """First frames of the fewest windows that cover `frames`, evenly spaced, `overlap` or more."""
    count = 1 + math.ceil((frames - length) / (length - overlap))
    return [round(i * (frames - length) / max(1, count - 1)) for i in range(count)]


def window_weights(frames: int, start: int, length: int, overlap: int) -> Float[Tensor, "t 1 1"]:
    """The blending weight of each frame of the window at `start`.

    1 inside, falling linearly to 0 towards each end that has a neighbouring window.
    """
    context = overlap // 4
    place = torch.arange(length)
    nearest = torch.full((length,), math.inf)  # frames to the nearest end that has a neighbour
    if start > 0:
        nearest = torch.minimum(nearest, place)
    if start + length < frames:
        nearest = torch.minimum(nearest, length - 1 - place)
    weight = (nearest - context + 1) / (overlap - 2 * context + 1)
    return weight.clamp(0, 1)[:, None, None]


def sigma_frames(
    sigma: Sigma, frames: slice | Tensor
) -> float | Float[Tensor, "#b 1 s #y #x"]:  # s: the selected frames
    """The noise levels of `frames`; a level that all frames share is returned unchanged."""
    if isinstance(sigma, Tensor) and sigma.shape[2] > 1:
        return sigma[:, :, frames]
    return sigma
