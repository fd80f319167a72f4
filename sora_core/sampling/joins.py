"""Joins with footage that a model is not shown: for models of one noise level, without channels.

Axes: b c t y x, as in shapes.

Such a model sees footage as noisy as the rest, and learned nothing of it. Two mechanisms make its
joins better. `repeat_steps` walks each step several times, with noise in between (RePaint), so that
what is generated has time to agree with what is known. `hand_over` uses the model's own error on
the footage: where it is wrong about known frames, it is likely as wrong about their neighbours.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError
from ..shapes import Latent
from .inpaint import SamplingMask
from .samplers import Denoise, Sigma, Step

MAX_REPEATS = 16


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """How joins are helped; the defaults change nothing.

    `repeats`: how many times each step is walked, from 1 to MAX_REPEATS. `hand_over` in [0, 1]: the
    share of the model's error on the nearest known frame that is taken from a generated frame
    beside it. `reach`: latent frames over which that share falls to zero.
    """

    repeats: int = 1
    hand_over: float = 0.0
    reach: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.repeats <= MAX_REPEATS:
            raise ConfigError(f"{self.repeats} repeats of a step: choose from 1 to {MAX_REPEATS}")
        if not 0 <= self.hand_over <= 1:
            raise ConfigError(f"hand_over {self.hand_over}: choose from 0 to 1")
        if self.reach < 1:
            raise ConfigError(f"reach of {self.reach} latent frames: choose 1 or more")


def repeat_steps(
    sampler: Callable[..., Latent],
    repeats: int,
    fresh: Callable[[int], Latent],
) -> Callable[..., Latent]:
    """A sampler that walks each step of `sampler` `repeats` times, noised again in between.

    `fresh(i)` is unit noise, another for each i. The first step, from pure noise, and the last, to
    a clean latent, are walked once: noise added there would start anew. A sampler that extrapolates
    from earlier steps begins anew at each one. Lugmayr et al. 2022 (RePaint), algorithm 1.
    """
    if repeats == 1:
        return sampler

    def repeated(
        denoise: Denoise,
        x: Latent,
        sigmas: Sequence[float],
        on_step: Callable[[Step], None] = lambda step: None,
    ) -> Latent:
        total, drawn = len(sigmas) - 1, 0
        for i, (sigma, after) in enumerate(pairwise(sigmas)):
            walks = repeats if sigma < 1 and after > 0 else 1
            for walk in range(walks):
                if walk:
                    x = noise_to(x, after, sigma, fresh(drawn))
                    drawn += 1
                last = walk == walks - 1

                def report(step: Step, i: int = i, last: bool = last) -> None:
                    if last:
                        on_step(Step(i, total, step.clean))

                x = sampler(denoise, x, [sigma, after], report)
        return x

    return repeated


def noise_to(x: Latent, sigma: float, higher: float, fresh: Latent) -> Latent:
    """`x` at level `sigma`, brought to the level `higher` by `fresh` unit noise."""
    signal = (1 - higher) / (1 - sigma)
    return signal * x + math.sqrt(max(0.0, higher**2 - (signal * sigma) ** 2)) * fresh


def hand_over(
    denoise: Denoise, known: Latent, mask: SamplingMask, settings: JoinSettings, ring: bool = False
) -> Denoise:
    """A denoiser whose error on known frames is taken from the generated frames beside them.

    Only frames that are known in every cell count. `denoise` must be the plain prediction, before
    footage is put in its place.
    """
    weights = neighbour_weights(mask, settings.reach, ring)
    if weights is None or settings.hand_over == 0:
        return denoise

    def corrected(x: Latent, sigma: Sigma) -> Latent:
        clean = denoise(x, sigma)
        error = known - clean
        moved = torch.einsum("bcsyx,ts->bctyx", error, weights.to(error))
        return clean + settings.hand_over * moved

    return corrected


def neighbour_weights(
    mask: SamplingMask, reach: int, ring: bool = False
) -> Float[Tensor, "t t"] | None:
    """The weight of known frame s in generated frame t; None where nothing is known or free.

    Each generated frame takes from the nearest known frame before it and the nearest after it, by
    a share that falls linearly from 1 beside them to 0 beyond `reach`, at most 1 in all.
    """
    cells = mask.amax(dim=(0, 1, 3, 4))
    known, free = (cells == 0).tolist(), (cells > 0).tolist()
    frames = len(known)
    if not any(known) or not any(free):
        return None
    weights = torch.zeros(frames, frames)
    for t in (i for i in range(frames) if free[i]):
        for direction in (-1, 1):
            for distance in range(1, reach + 1):
                s = t + direction * distance
                if ring:
                    s %= frames
                if not 0 <= s < frames:
                    break
                if known[s]:
                    weights[t, s] += 1 - (distance - 1) / reach
                    break
    return weights / weights.sum(dim=1, keepdim=True).clamp(min=1)
