"""Classifier-free guidance: a denoiser made of two or three. Axes: b c t y x, as in shapes."""

import math
from collections.abc import Sequence

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
    return guide_both(conditional, unconditional, unconditional, scale, 1.0, rescale, interval)


def guide_both(
    full: Denoise,
    footage_only: Denoise,
    nothing: Denoise,
    text: float,
    footage: float,
    rescale: float = 0.0,
    interval: tuple[float, float] = (0.0, 1.0),
) -> Denoise:
    """A denoiser pushed `footage` times from `nothing` to `footage_only`, then `text` times from
    there to `full` (Brooks et al. 2023, equation 3).

    Calls only what the scales need: all three; without `nothing` at footage 1, which is `guide`;
    without `footage_only` where both scales are equal, which is `guide` away from `nothing`; `full`
    alone where both are 1, and outside `interval`. `rescale` and `interval` are as in `guide`.
    """
    low, high = interval
    for name, scale in (("guidance", text), ("footage guidance", footage)):
        if not math.isfinite(scale):
            raise ConfigError(f"{name} scale {scale}: choose a finite number")
    if not 0 <= rescale <= 1:
        raise ConfigError(f"guidance rescale {rescale}: choose from 0 to 1")
    if not 0 <= low <= high <= 1:
        raise ConfigError(f"guidance interval {low} to {high}: choose 0 <= low <= high <= 1")
    away = [
        (push, denoise)
        for push, denoise in zip(pushes(text, footage), (footage_only, nothing), strict=True)
        if push != 0
    ]
    if not away:
        return full

    def guided(x: Latent, sigma: Sigma) -> Latent:
        clean = full(x, sigma)
        noisiest = sigma.max().item() if isinstance(sigma, Tensor) else sigma
        if not low <= noisiest <= high:
            return clean
        pushed = lead(clean, [(push, denoise(x, sigma)) for push, denoise in away])
        if rescale == 0:
            return pushed
        return pushed * (1 + rescale * (deviation(clean) / deviation(pushed) - 1))

    return guided


def lead(clean: Latent, away: Sequence[tuple[float, Latent]]) -> Latent:
    """`clean` pushed so many times away from each of the other predictions."""
    return sum((push * (clean - other) for push, other in away), clean)


def pushes(text: float, footage: float) -> tuple[float, float]:
    """How far the two scales push away from footage alone, and from nothing; 0 needs no call."""
    return text - footage, footage - 1


def deviation(x: Latent) -> Float[Tensor, "b 1 1 1 1"]:
    """Standard deviation of each sample, over everything but the batch."""
    return x.std(dim=(1, 2, 3, 4), keepdim=True)
