"""Known footage: a denoiser that paints only where it may. Axes: b c t y x, as in shapes."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..shapes import Latent
from .step import Denoise, Sigma


def hold(denoise: Denoise, known: Latent, mask: Float[Tensor, "#b 1 #t #y #x"]) -> Denoise:
    """A denoiser that keeps `known` where `mask` is 0 and paints freely where it is 1.

    Between, footage is kept until the sampler's level falls to `mask` and painted over from there,
    as if it had been noised that far (SDEdit). The model sees each token at its own level: `mask`
    while held, so 0 for kept footage, then the sampler's. Needs a model with per-token levels.
    """

    def held(x: Latent, sigma: Sigma) -> Latent:
        keep = mask < sigma
        level = torch.where(keep, mask, sigma)
        # Held tokens predict `known`, so x - known is sigma * (noise - known): scale it down.
        seen = torch.where(keep, known + (mask / sigma) * (x - known), x)
        return torch.where(keep, known, denoise(seen, level))

    return held
