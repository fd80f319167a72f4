"""Inpainting around known footage: denoisers that follow a mask. Axes: b c t y x, as in shapes."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..shapes import Latent
from .samplers import Denoise, Sigma

SamplingMask = Float[Tensor, "#b 1 #t #y #x"]
"""From 0, where the known latent stays, to 1, where the model is free."""


def hold_known(denoise: Denoise, known: Latent, mask: SamplingMask) -> Denoise:
    """A denoiser that returns `known` where `mask` is 0 and is free where it is 1.

    Between 0 and 1, a cell is held at `known` until sigma falls to its mask and is free from there,
    as if the footage had been noised to that level (Meng et al. 2022, SDEdit). The model gets a
    noise level for each cell: `mask` while it is held, then sigma. Needs a model that takes them.
    """
    return keep_known(show_known(denoise, known, mask), known, mask)


def keep_known(denoise: Denoise, known: Latent, mask: SamplingMask) -> Denoise:
    """A denoiser that returns `known` in held cells (mask < sigma), else the prediction."""

    def with_known(x: Latent, sigma: Sigma) -> Latent:
        return torch.where(mask < sigma, known, denoise(x, sigma))

    return with_known


def show_known(denoise: Denoise, known: Latent, mask: SamplingMask) -> Denoise:
    """A denoiser whose model gets held cells at the noise level `mask` instead of sigma.

    Footage guidance extrapolates from the plain denoiser, with held cells at sigma, to this one.
    """

    def revealed(x: Latent, sigma: Sigma) -> Latent:
        return denoise(*model_view(x, sigma, known, mask))

    return revealed


def model_view(
    x: Latent, sigma: Sigma, known: Latent, mask: SamplingMask
) -> tuple[Latent, Float[Tensor, "#b 1 #t #y #x"]]:
    """The model's input for `x`, and its noise levels: `mask` in held cells, `sigma` elsewhere."""
    held = mask < sigma
    # In held cells x = known + sigma * (noise - known): scale that down to the level `mask`.
    view = torch.where(held, known + (mask / sigma) * (x - known), x)
    return view, torch.where(held, mask, sigma)


def mask_by_frame(mask: SamplingMask) -> SamplingMask:
    """`mask` with one value a frame if each frame is uniform, else unchanged.

    Models embed a noise level once for each value, so fewer are cheaper.
    """
    frame = mask[..., :1, :1]
    return frame if bool((mask == frame).all()) else mask
