"""Joins with footage for models without footage inputs: one noise level, no footage channels.

Axes: b c t y x, as in shapes.

Such a model gets footage as noisy as the rest, and was not trained with footage. Its error on the
footage can be measured at each step, and its error on neighbouring frames is likely similar.
`hand_over` subtracts the measured error from these frames.

Tried without benefit: repeating each step several times with noise in between (RePaint, Lugmayr et
al. 2022). `docs/seams.md` has its figures.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ..sampling.inpaint import SamplingMask
from ..sampling.samplers import Denoise, Sigma
from ..shapes import Latent
from .settings import JoinSettings


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
    a share that falls linearly from 1 beside them to 0 beyond `reach`. Between two known frames
    the reach is at most the frames from one to the other less one, so that beside one of them the
    other has no share: two scenes have two errors.
    """
    cells = mask.amax(dim=(0, 1, 3, 4))
    known, free = (cells == 0).tolist(), (cells > 0).tolist()
    frames = len(known)
    if not any(known) or not any(free):
        return None
    weights = torch.zeros(frames, frames)
    for t in (i for i in range(frames) if free[i]):
        around = [nearest_known(known, t, direction, ring) for direction in (-1, 1)]
        found = [each for each in around if each is not None]
        between = sum(distance for _, distance in found) - 1 if len(found) == 2 else frames
        near = min(reach, max(1, between - 1))
        for s, distance in found:
            weights[t, s] += max(0.0, 1 - (distance - 1) / near)
    return weights / weights.sum(dim=1, keepdim=True).clamp(min=1)


def nearest_known(
    known: Sequence[bool], t: int, direction: int, ring: bool
) -> tuple[int, int] | None:
    """The nearest known frame from `t` in `direction`, and its distance; None without one."""
    frames = len(known)
    for distance in range(1, frames):
        s = t + direction * distance
        if not ring and not 0 <= s < frames:
            return None
        if known[s % frames]:
            return s % frames, distance
    return None
