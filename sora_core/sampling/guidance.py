"""Classifier-free guidance: a denoiser made of two. Axes: b c t y x, as in shapes."""

import math

from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError
from ..shapes import Latent
from .step import Denoise, Sigma


def guide(
    conditional: Denoise,
    unconditional: Denoise,
    scale: float,
    rescale: float = 0.0,
    interval: tuple[float, float] = (0.0, 1.0),
) -> Denoise:
    """A denoiser pushed `scale` times from `unconditional` to `conditional` (Ho and Salimans 2022).

    Clean predictions and velocities differ by a linear map: guiding either is the same. `rescale`
    from 0 to 1 brings each sample's deviation back to the conditional one (Lin et al. 2023, section
    3.4). Outside `interval` of sigma (Kynkaanniemi et al. 2024), and everywhere at scale 1,
    `unconditional` is not called. Where sigma differs per token, the noisiest token decides.
    """
    low, high = interval
    if not math.isfinite(scale):
        raise ConfigError(f"guidance scale {scale}: choose a finite number")
    if not 0 <= rescale <= 1:
        raise ConfigError(f"guidance rescale {rescale}: choose from 0 to 1")
    if not 0 <= low <= high <= 1:
        raise ConfigError(f"guidance interval {low} to {high}: choose 0 <= low <= high <= 1")
    if scale == 1:
        return conditional

    def guided(x: Latent, sigma: Sigma) -> Latent:
        clean = conditional(x, sigma)
        noisiest = sigma.max().item() if isinstance(sigma, Tensor) else sigma
        if not low <= noisiest <= high:
            return clean
        pushed = clean + (scale - 1) * (clean - unconditional(x, sigma))
        if rescale == 0:
            return pushed
        return pushed * (1 + rescale * (deviation(clean) / deviation(pushed) - 1))

    return guided


def deviation(x: Latent) -> Float[Tensor, "b 1 1 1 1"]:
    """Standard deviation of each sample, over everything but the batch."""
    return x.std(dim=(1, 2, 3, 4), keepdim=True)
