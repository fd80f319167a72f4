"""Against drift: a denoiser whose colours and contrast stay near those of an earlier part.

Axes: b c t y x, as in shapes; p prompts.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError
from ..shapes import Latent
from .step import Denoise, Sigma

HALF = 0.5  # between noise and clean
SAME = 1e-3  # prompts that differ by less count as the same: weights are sums


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and standard deviation of each channel of a latent."""

    mean: Float[Tensor, "b c 1 1 1"]
    deviation: Float[Tensor, "b c 1 1 1"]

    @classmethod
    def of(cls, latent: Latent) -> "Statistics":
        over = {"dim": (2, 3, 4), "keepdim": True}
        return cls(latent.mean(**over), latent.std(**over))

    def through(self, affine: Callable[[Latent], Latent]) -> "Statistics":
        """Those of `affine(latent)`, which scales and shifts each channel."""
        mean = affine(self.mean)
        return Statistics(mean, affine(self.mean + self.deviation) - mean)


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a part of a video was like, and how much each prompt counted in it."""

    like: Statistics
    prompts: Float[Tensor, " p"]


def most_alike(
    anchors: Iterable[Anchor], prompts: Float[Tensor, " p"]
) -> tuple[Statistics | None, float]:
    """The statistics of the part that was told most of `prompts`, the first among equals, and which
    share of them it was told; a scene that changes is not held to the one before."""
    best, share = None, 0.0
    for part in anchors:
        told = float(torch.minimum(part.prompts, prompts).sum())
        if told > share + SAME:
            best, share = part.like, told
    return best, share


class Reading:
    """What a part would be like were it not held to another, read from its own predictions.

    Early ones are blurred, and in late ones the part has been pulled already: the one nearest to
    half noise says most.
    """

    def __init__(self) -> None:
        self.like: Statistics | None = None
        self.distance = math.inf

    def note(self, own: Statistics, sigma: Sigma) -> None:
        """A prediction at the noise level `sigma` is like its `own` statistics."""
        level = float(sigma.max()) if isinstance(sigma, Tensor) else sigma
        if abs(level - HALF) < self.distance:
            self.like, self.distance = own, abs(level - HALF)


def anchor(
    denoise: Denoise, like: Statistics, strength: float, reading: Reading | None = None
) -> Denoise:
    """A denoiser whose predictions go `strength` of the way to the statistics `like`; 1 is all.

    `reading` is told what they were like before. Huang and Belongie 2017, equation 8 (adaptive
    instance normalisation).
    """
    if not 0 <= strength <= 1:
        raise ConfigError(f"anchor strength {strength}: choose from 0 to 1")

    def anchored(x: Latent, sigma: Sigma) -> Latent:
        clean = denoise(x, sigma)
        own = Statistics.of(clean)
        if reading is not None:
            reading.note(own, sigma)
        alike = (clean - own.mean) / own.deviation * like.deviation + like.mean
        return clean.lerp(alike, strength)

    return anchored
