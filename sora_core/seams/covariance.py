"""Anchoring by the covariance of channels: against blur that grows from segment to segment.

Axes: b batch, c channels, t latent frames, y rows, x columns.

A model that cannot continue a video well predicts its average: directions of small variance in the
space of channels, which hold fine texture, shrink first. The standard deviation of each channel
alone (`anchoring.anchor`) hardly notices, since each channel mixes small and large directions. The
covariance of channels does. `docs/seams.md` has the figures.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..errors import check_range
from ..sampling.drift import Statistics, StatisticsProbe
from ..sampling.samplers import Denoise, Sigma
from ..shapes import Latent

LARGEST_GAIN = 4.0  # of a direction: what a model does not predict at all is not amplified to noise
LEAST_VARIANCE = 1e-6  # of the largest variance: smaller ones are rounding


def anchor_covariance(
    denoise: Denoise,
    reference: Statistics,
    strength: float,
    counted: Bool[Tensor, " t"],
    probe: StatisticsProbe | None = None,
) -> Denoise:
    """A denoiser whose predictions are pulled towards mean and covariance of `reference`.

    `counted` selects the latent frames whose statistics are matched; all frames are transformed.
    Where it selects none, `denoise` itself is returned. `strength` in [0, 1] is the weight of the
    fully matched prediction. `probe` records the statistics before matching. Two predictions are
    returned as they are: one that is NaN or infinite somewhere, for it has no covariance, and one
    with more than LARGEST_GAIN times the deviation of `reference`, for a title card or a fade from
    black is no reference for the scene after it. ConfigError for another `strength`.
    """
    check_range("anchor strength", strength, 0, 1)
    if not bool(counted.any()):
        return denoise

    def anchored(x: Latent, sigma: Sigma) -> Latent:
        clean = denoise(x, sigma)
        own = Statistics.from_latent(clean[:, :, counted.to(clean.device)])
        if not bool(own.covariance.isfinite().all()):
            return clean
        if probe is not None:
            probe.note(own, sigma)
        transform = covariance_map(own.covariance, reference.covariance).to(clean)
        matched = torch.einsum("bcd,bdtyx->bctyx", transform, clean - own.mean)
        weight = strength * has_texture(reference, own).to(clean)
        return clean.lerp(matched + reference.mean.to(clean), weight)

    return anchored


def has_texture(reference: Statistics, own: Statistics) -> Bool[Tensor, "b 1 1 1 1"]:
    """Whether the deviation of `reference` is at least that of `own` over LARGEST_GAIN."""
    least = variance(own).to(reference.mean) / LARGEST_GAIN**2
    return variance(reference) >= least


def follows_reference(generated: Latent, reference: Statistics) -> bool:
    """Whether `anchor_covariance` has matched the `generated` frames of a segment to `reference`.

    It has not where they have more than LARGEST_GAIN times its deviation.
    """
    return bool(has_texture(reference, Statistics.from_latent(generated)).all())


def variance(statistics: Statistics) -> Float[Tensor, "b 1 1 1 1"]:
    """The sum over channels of their variances."""
    return statistics.deviation.square().sum(1, keepdim=True)


def covariance_map(
    own: Float[Tensor, "b c c"], reference: Float[Tensor, "b c c"]
) -> Float[Tensor, "b c c"]:
    """The map that gives vectors of covariance `own` the covariance `reference`, moving them least.

    It is symmetric, and changes no direction by more than LARGEST_GAIN. In double precision, on
    the CPU. The linear Monge-Kantorovitch map of Pitie and Kokaram 2007.
    """
    own, reference = own.double().cpu(), reference.double().cpu()
    root, inverse = power(own, 0.5), power(own, -0.5)
    full = inverse @ power(root @ reference @ root, 0.5) @ inverse
    gains, directions = torch.linalg.eigh(full)
    gains = gains.clamp(1 / LARGEST_GAIN, LARGEST_GAIN)
    return directions * gains[:, None, :] @ directions.mT


def power(covariance: Float[Tensor, "b c c"], exponent: float) -> Float[Tensor, "b c c"]:
    """The power of a symmetric matrix of eigenvalues of at least 0."""
    values, directions = torch.linalg.eigh(covariance)
    least = (LEAST_VARIANCE * values[:, -1:]).clamp(min=torch.finfo(values.dtype).tiny)
    return directions * values.clamp(min=least).pow(exponent)[:, None, :] @ directions.mT
