"""Known footage: a denoiser that paints only where it may. Axes: b c t y x, as in shapes."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..shapes import Latent
from .samplers import Denoise, Sigma

SamplingMask = Float[Tensor, "#b 1 #t #y #x"]
"""From 0, keep the known latent, to 1, paint freely."""


def hold_known(denoise: Denoise, known: Latent, mask: SamplingMask) -> Denoise:
    """A denoiser that keeps `known` where `mask` is 0 and paints freely where it is 1.

    Between, footage is kept until the sampler's level falls to `mask` and painted over from there,
    as if it had been noised that far (SDEdit). The model sees each token at its own level: `mask`
    while held, so 0 for kept footage, then the sampler's. Needs a model with per-token levels.
    """
    return keep_known(show_known(denoise, known, mask), known, mask)


def keep_known(denoise: Denoise, known: Latent, mask: SamplingMask) -> Denoise:
    """A denoiser whose held tokens come out as `known`; what the model sees stays as it is."""

    def with_known(x: Latent, sigma: Sigma) -> Latent:
        return torch.where(mask < sigma, known, denoise(x, sigma))

    return with_known


def show_known(denoise: Denoise, known: Latent, mask: SamplingMask) -> Denoise:
    """A denoiser that sees held tokens as known as they are; without, it sees them as noisy as the
    sampler has them. That is the difference which footage guidance enlarges."""

    def revealed(x: Latent, sigma: Sigma) -> Latent:
        return denoise(*model_view(x, sigma, known, mask))

    return revealed


def model_view(
    x: Latent, sigma: Sigma, known: Latent, mask: SamplingMask
) -> tuple[Latent, Float[Tensor, "#b 1 #t #y #x"]]:
    """What a model sees of `x`, and at which levels: held tokens at that of `mask`, not `sigma`."""
    held = mask < sigma
    # Held tokens predict `known`, so x - known is sigma * (noise - known): scale it down.
    view = torch.where(held, known + (mask / sigma) * (x - known), x)
    return view, torch.where(held, mask, sigma)


def mask_by_frame(mask: SamplingMask) -> SamplingMask:
    """`mask`, one value a frame where no more are needed: models compute once for each level."""
    frame = mask[..., :1, :1]
    return frame if bool((mask == frame).all()) else mask
