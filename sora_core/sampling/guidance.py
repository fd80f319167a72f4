"""Classifier-free guidance: a denoiser made of two or three. Axes: b c t y x, as in shapes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError, check_range
from ..shapes import Latent
from .samplers import Denoise, Sigma

Share = float | Float[Tensor, "1 1 t 1 1"]
"""The share of text guidance for each latent frame; a tensor is on the CPU."""


@dataclass(frozen=True, slots=True)
class GuidanceScale:
    """How strictly a model follows text and footage; both scales are 1 where it is not guided.

    `rescale` in [0, 1] brings each sample's deviation back to the conditional one (Lin et al. 2023,
    section 3.4). Guidance is confined to an `interval` of sigma (Kynkaanniemi et al. 2024).
    ConfigError for numbers outside of these ranges.
    """

    text: float
    footage: float = 1.0
    rescale: float = 0.0
    interval: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        low, high = self.interval
        for name, scale in (("guidance", self.text), ("footage guidance", self.footage)):
            if not math.isfinite(scale):
                raise ConfigError(f"{name} scale {scale}: choose a finite number")
        check_range("guidance rescale", self.rescale, 0, 1)
        if not 0 <= low <= high <= 1:
            raise ConfigError(f"guidance interval {low} to {high}: choose 0 <= low <= high <= 1")

    def active(self, sigma: Sigma) -> bool:
        """Whether `sigma` is in the interval; of a sigma per token, the noisiest token decides."""
        low, high = self.interval
        return low <= (sigma.max().item() if isinstance(sigma, Tensor) else sigma) <= high

    def scales_at(self, sigma: Sigma) -> tuple[float, float]:
        """The scales of text and of footage at the noise level `sigma`."""
        return (self.text, self.footage) if self.active(sigma) else (1.0, 1.0)


def guide(
    conditional: Denoise,
    unconditional: Denoise,
    scale: float,
    rescale: float = 0.0,
    interval: tuple[float, float] = (0.0, 1.0),
) -> Denoise:
    """A denoiser extrapolated by `scale` from `unconditional` to `conditional`.

    Ho and Salimans 2022.

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
    share: Share = 1.0,
) -> Denoise:
    """A denoiser extrapolated from `nothing` to `footage_only`, and from there to `full`.

    Brooks et al. 2023, equation 3: scale `footage`, then scale `text`.

    Calls only what the scales need: all three; without `nothing` at footage 1, which is `guide`;
    without `footage_only` where both scales are equal, which is `guide` away from `nothing`; `full`
    alone where both are 1, and outside `interval`. `rescale` and `interval` are as in `guide`.
    Each frame gets its `share` of `text` above 1.
    """
    scale = GuidanceScale(text, footage, rescale, interval)
    from_uncond, from_nothing = map(any_guidance, guidance_weights(text, footage, share))
    if not from_uncond and not from_nothing:
        return full

    def guided(x: Latent, sigma: Sigma) -> Latent:
        clean = full(x, sigma)
        if not scale.active(sigma):
            return clean
        uncond = footage_only(x, sigma) if from_uncond else None
        no_footage = nothing(x, sigma) if from_nothing else None
        return combine(clean, uncond, no_footage, text, footage, rescale, share)

    return guided


def combine(
    cond: Latent,
    uncond: Latent | None,
    no_footage: Latent | None,
    text: float,
    footage: float = 1.0,
    rescale: float = 0.0,
    share: Share = 1.0,
) -> Latent:
    """The guided prediction: `cond` extrapolated away from `uncond` and from `no_footage`.

    Scales, `rescale` and `share` are those of `guide_both`. A prediction whose weight is zero, see
    `guidance_weights`, may be None.
    """
    weights = guidance_weights(text, footage, share)
    away = [
        (push, other)
        for push, other in zip(weights, (uncond, no_footage), strict=True)
        if other is not None and any_guidance(push)
    ]
    if not away:
        return cond
    pushed = extrapolate(cond, away)
    if rescale == 0:
        return pushed
    return pushed * (1 + rescale * (standard_deviation(cond) / standard_deviation(pushed) - 1))


def extrapolate(clean: Latent, away: Sequence[tuple[Share, Latent]]) -> Latent:
    """`clean` extrapolated away from each of the other predictions by its weight."""
    for push, other in [(push, clean - other) for push, other in away]:
        clean = clean + (push.to(other) if isinstance(push, Tensor) else push) * other
    return clean


def guidance_weights(text: float, footage: float, share: Share = 1.0) -> tuple[Share, float]:
    """The weights by which the two scales extrapolate from footage alone, and from nothing."""
    return text - footage - (text - 1) * (1 - share), footage - 1


def any_guidance(push: Share) -> bool:
    """Whether any weight is not zero; predictions of weight zero are not computed."""
    return bool((push != 0).any()) if isinstance(push, Tensor) else push != 0


def standard_deviation(x: Latent) -> Float[Tensor, "b 1 1 1 1"]:
    """Standard deviation of each sample, over everything but the batch."""
    return x.std(dim=tuple(range(1, x.ndim)), keepdim=True)
