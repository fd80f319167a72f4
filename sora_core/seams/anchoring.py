"""Anchoring against drift: predictions take the channel statistics of an earlier segment.

Axes: b c t y x, as in shapes.
"""

from ..errors import check_range
from ..sampling.drift import Statistics, StatisticsProbe
from ..sampling.samplers import Denoise, Sigma
from ..shapes import Latent


def anchor(
    denoise: Denoise,
    reference: Statistics,
    strength: float,
    probe: StatisticsProbe | None = None,
    lead: int = 0,
) -> Denoise:
    """A denoiser whose predictions are pulled towards the channel statistics `reference`.

    `strength` in [0, 1] is the weight of the fully matched prediction. `probe` records the
    statistics before matching. The first `lead` latent frames do not count in them. ConfigError for
    another `strength`. Huang and Belongie 2017, equation 8 (adaptive instance normalisation).
    """
    check_range("anchor strength", strength, 0, 1)

    def anchored(x: Latent, sigma: Sigma) -> Latent:
        clean = denoise(x, sigma)
        own = Statistics.from_latent(clean[:, :, lead:])
        mean, deviation = reference.mean.to(clean.device), reference.deviation.to(clean.device)
        if probe is not None:
            probe.note(own, sigma)
        matched = (clean - own.mean) / own.deviation * deviation + mean
        return clean.lerp(matched, strength)

    return anchored
