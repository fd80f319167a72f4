"""Joins with footage for models without footage inputs: one noise level, no footage channels.

Axes: b c t y x, as in shapes.

Such a model gets footage as noisy as the rest, and was not trained with footage. Its error on the
footage can be measured at each step, and its error on neighbouring frames is likely similar.
`hand_over` subtracts the measured error from these frames.

Tried without benefit: repeating each step several times with noise in between (RePaint, Lugmayr et
al. 2022). `docs/seams.md` has its figures.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError
from ..shapes import Latent
from .inpaint import SamplingMask
from .samplers import Denoise, Sigma


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """How joins are helped; the defaults change nothing.

    `hand_over` in [0, 1]: the share of the model's error on the nearest known frame that is taken
    from a generated frame beside it. `reach`: latent frames over which that share falls to zero.
    ConfigError for other values.
    """

    hand_over: float = 0.0
    reach: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.hand_over <= 1:
            raise ConfigError(f"hand_over {self.hand_over}: choose from 0 to 1")
        if self.reach < 1:
            raise ConfigError(f"reach of {self.reach} latent frames: choose 1 or more")


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
