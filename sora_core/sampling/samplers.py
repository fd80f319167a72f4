"""Samplers: from noise to a clean latent, given only `denoise(x, sigma) -> clean`.

Rectified flow: `x = (1 - sigma) * clean + sigma * noise`, whose slope is `(x - clean) / sigma`.
Each sampler takes decreasing sigmas, the first at most 1. If the last is 0, the result is the
model's last prediction. `on_step` is called once a step, after the model, and may raise to stop.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor

from ..errors import check_range
from ..shapes import Latent

Sigma = float | Float[Tensor, "#b 1 #t #y #x"]
"""Noise level from 1 (noise) to 0 (clean): a number, or a tensor that broadcasts to the latent."""

Denoise = Callable[[Latent, Sigma], Latent]
"""The clean latent predicted from `x = (1 - sigma) * clean + sigma * noise`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a sampler: `index` in [0, total), and the clean latent predicted there."""

    index: int
    total: int
    clean: Latent


def euler(
    denoise: Denoise,
    x: Latent,
    sigmas: Sequence[float],
    on_step: Callable[[Step], None] = lambda step: None,
) -> Latent:
    """The clean latent reached from `x` along `sigmas` by Euler steps; first order.

    Liu et al. 2023 (rectified flow), algorithm 1.
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        clean = denoise(x, sigma)
        on_step(Step(i, len(sigmas) - 1, clean))
        x = clean + (sigma_next / sigma) * (x - clean)
    return x


def heun(
    denoise: Denoise,
    x: Latent,
    sigmas: Sequence[float],
    on_step: Callable[[Step], None] = lambda step: None,
) -> Latent:
    """The clean latent reached from `x` along `sigmas`, averaging the slope at both ends of a step.

    Second order, two model calls a step. The last step is plain Euler, since the slope is undefined
    at sigma 0. Karras et al. 2022, algorithm 1, without churn.
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        clean = denoise(x, sigma)
        on_step(Step(i, len(sigmas) - 1, clean))
        if sigma_next == 0:
            return clean
        slope = (x - clean) / sigma
        step = sigma_next - sigma
        x_next = x + step * slope
        slope = (slope + (x_next - denoise(x_next, sigma_next)) / sigma_next) / 2
        x = x + step * slope
    return x


def dpmpp_2m(
    denoise: Denoise,
    x: Latent,
    sigmas: Sequence[float],
    on_step: Callable[[Step], None] = lambda step: None,
) -> Latent:
    """The clean latent reached from `x` along `sigmas`, extrapolating the last two predictions.

    Second order, one model call a step. Lu et al. 2022 (DPM-Solver++), algorithm 2. A step from
    sigma 1 or to sigma 0 is infinitely long in log-SNR, so there it falls back to first order.
    """
    previous, h_previous = x, math.inf  # an infinite step back: nothing to extrapolate from
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        clean = denoise(x, sigma)
        on_step(Step(i, len(sigmas) - 1, clean))
        h = half_log_snr(sigma_next) - half_log_snr(sigma)
        target = clean
        if math.isfinite(h):
            target = clean + h / (2 * h_previous) * (clean - previous)
        x = target + (sigma_next / sigma) * (x - target)
        previous, h_previous = clean, h
    return x


def sde(
    denoise: Denoise,
    x: Latent,
    sigmas: Sequence[float],
    on_step: Callable[[Step], None] = lambda step: None,
    *,
    noise: Callable[[int], Latent],
    eta: float = 1.0,
) -> Latent:
    """The clean latent reached from `x` along `sigmas`, with fresh noise added at every step.

    `noise(i)` is fresh unit noise for step i, shaped like `x`. `eta` in [0, 1] sets how much of the
    old noise it replaces: 0 none (`euler`), 1 as much as the reverse of the forward process does.
    The noise level after a step does not depend on it. ConfigError for another `eta`. Song et al.
    2021 (DDIM), equation 16, for rectified flow.
    """
    check_range("eta", eta, 0, 1)
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        clean = denoise(x, sigma)
        on_step(Step(i, len(sigmas) - 1, clean))
        if sigma_next == 0:
            return clean
        shrunk = (1 - sigma) * sigma_next / ((1 - sigma_next) * sigma)  # ratio of noise-to-signal
        fresh = eta * math.sqrt(1 - shrunk**2)
        old = math.sqrt(1 - fresh**2) * (x - (1 - sigma) * clean) / sigma
        x = (1 - sigma_next) * clean + sigma_next * (old + fresh * noise(i))
    return x


def half_log_snr(sigma: float) -> float:
    """log((1 - sigma) / sigma), half the log-SNR: minus infinity at sigma 1, infinity at 0."""
    if 0 < sigma < 1:
        return math.log((1 - sigma) / sigma)
    return math.inf if sigma <= 0 else -math.inf
