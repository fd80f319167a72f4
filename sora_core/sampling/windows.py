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
    """Latent frames of a call, and how many of them two neighbouring windows share at least.

    `lead` of the frames of a call lie before its window, or behind the first one, and the
    prediction there is dropped: for models whose first latent frame covers fewer frames than the
    others.
    ConfigError unless 0 <= overlap < length - lead: other windows never advance.
    """

    length: int
    overlap: int
    lead: int = 0

    def __post_init__(self) -> None:
        length, overlap, lead = self.length, self.overlap, self.lead
        if not 0 <= overlap < length - lead or lead < 0:
            raise ConfigError(
                f"window of {length}, overlap {overlap}, lead {lead}: choose 0 <= overlap < "
                "length - lead, and a lead of 0 or more"
            )

    def denoiser(self, denoise_at: DenoiseAt) -> Denoise:
        """`windowed_denoiser` with this length, overlap and lead."""
        return windowed_denoiser(denoise_at, self.length, self.overlap, self.lead)


def windowed_denoiser(denoise_at: DenoiseAt, length: int, overlap: int, lead: int = 0) -> Denoise:
    """A denoiser of any number of latent frames that calls the model on `length` of them at a time.

    Neighbouring windows share `overlap` frames or a few more, so that all have the same length.
    There the clean predictions are blended with `window_weights`. The outer quarter of an overlap
    has weight 0 and is context only: a model whose receptive field is no larger predicts the same
    as for the whole latent. The first `lead` frames of a call lie before its window, or behind the
    first one, and their prediction is dropped. ConfigError as from `Windows`.
    """
    Windows(length, overlap, lead)  # checks the arguments

    def windowed(x: Latent, sigma: Sigma) -> Latent:
        frames = x.shape[2]
        if frames <= length:
            return denoise_at(0)(x, sigma)
        total, weights = torch.zeros_like(x), x.new_zeros(frames, 1, 1)
        own = length - lead
        for start in window_starts(frames, own, overlap):
            here = slice(start, start + own)
            before = min(lead, start)  # the first window has its extra frames behind it
            led = slice(start - before, start - before + length)
            weight = window_weights(frames, start, own, overlap).to(x)
            clean = denoise_at(led.start)(x[:, :, led], sigma_frames(sigma, led))
            total[:, :, here] += weight * clean[:, :, before : before + own]
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
