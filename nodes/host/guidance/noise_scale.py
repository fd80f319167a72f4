"""A latent of rectified flow in the units of a host's model whose sigma is unbounded.

Such a sampler's latent is `clean + sigma * noise`, which the network gets times a factor that
depends on sigma. A cell that is cleaner than the rest needs the factor of its own sigma: the host
applies that of the sampler. Axes: b batch, c channels, t latent frames, y rows, x columns.
"""

from typing import Any

import comfy.model_sampling
import comfy.samplers
import torch
from jaxtyping import Float
from torch import Tensor

from ....sora_core.errors import ConfigError
from ....sora_core.sampling.inpaint import SamplingMask
from ....sora_core.shapes import Latent
from ..flow_sigma import counts_flow
from .conditioning_support import BaseModel

LEVEL_ROUNDING = 1e-6  # of a level in single precision
CellLevels = Float[Tensor, "#b 1 #t #y #x"]


def expects_unit_variance(model: BaseModel) -> bool:
    """Whether the network of `model` expects variance 1, to which the host does not scale.

    CogVideoX does; the host's own sampler for it (VOIDSampler) never leaves variance 1.
    """
    kind: Any = getattr(comfy.model_sampling, "V_PREDICTION_DDPM", None)  # of newer hosts
    return kind is not None and isinstance(model.model_sampling, kind)


def check_sampler(model: BaseModel, sampler: comfy.samplers.Sampler) -> None:
    """ConfigError for a sampler of `model` whose latent is not `clean + sigma * noise`."""
    if expects_unit_variance(model) and not isinstance(sampler, comfy.samplers.KSAMPLER):
        raise ConfigError(
            f"{type(sampler).__name__} scales latents in its own way, which Sora Guider cannot mix "
            "with footage: use Sora Sample, or a sampler of KSamplerSelect"
        )


def host_latent(model: BaseModel, x: Latent, levels: CellLevels | None, sigma: float) -> Latent:
    """`x` of rectified flow as `model` takes it where its sampler is at `sigma`.

    `levels`, from 0 to 1, are those of single cells, where some are cleaner; None where none is.
    """
    if counts_flow(model.model_sampling):
        return x
    run = x.new_tensor(sigma, dtype=torch.float32)
    own = run
    if levels is not None:
        cleaner = levels < sigma / (1 + sigma) * (1 - LEVEL_ROUNDING)
        own = torch.where(cleaner, levels / (1 - levels), run)
    applied = torch.ones_like(run) if expects_unit_variance(model) else input_factor(model, run)
    return x * (1 + own) * input_factor(model, own) / applied


def emptied(model: BaseModel, latent: Latent, mask: SamplingMask) -> Latent:
    """`latent`, where `mask` is 1, at the mean of the model's data, to which noise is added.

    It counts for models with unbounded sigma, and is what the host's nodes put there.
    """
    if counts_flow(model.model_sampling):
        return latent
    return torch.where(mask == 1, model.process_latent_out(torch.zeros_like(latent)), latent)


def input_factor(model: BaseModel, sigma: Tensor) -> Tensor:
    """What the network's input is multiplied with at `sigma`."""
    if expects_unit_variance(model):
        return (1 + sigma**2).rsqrt()
    sampling: Any = model.model_sampling
    flat = sigma.reshape(-1)
    return sampling.calculate_input(flat, torch.ones_like(flat)[:, None])[:, 0].reshape(sigma.shape)
