"""Against drift: a denoiser whose colours and contrast stay near those of an earlier part.

Axes: b c t y x, as in shapes.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError
from ..shapes import Latent
from .step import Denoise, Sigma


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and standard deviation of each channel of a latent."""

    mean: Float[Tensor, "b c 1 1 1"]
    deviation: Float[Tensor, "b c 1 1 1"]

    @classmethod
    def of(cls, latent: Latent) -> "Statistics":
        over = {"dim": (2, 3, 4), "keepdim": True}
        return cls(latent.mean(**over), latent.std(**over))


def anchor(denoise: Denoise, like: Statistics, strength: float) -> Denoise:
    """A denoiser whose predictions go `strength` of the way to the statistics `like`; 1 is all.

    Huang and Belongie 2017, equation 8 (adaptive instance normalisation).
    """
    if not 0 <= strength <= 1:
        raise ConfigError(f"anchor strength {strength}: choose from 0 to 1")

    def anchored(x: Latent, sigma: Sigma) -> Latent:
        clean = denoise(x, sigma)
        own = Statistics.of(clean)
        alike = (clean - own.mean) / own.deviation * like.deviation + like.mean
        return clean.lerp(alike, strength)

    return anchored
