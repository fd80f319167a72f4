"""Noise levels in the range and with the shift that a MODEL of the host was trained for."""

import math
from typing import Any

import comfy.model_patcher
import comfy.model_sampling
import comfy.samplers
import torch
from torch import Tensor

from ....sora_core.errors import ConfigError
from ....sora_core.sampling.schedules import clip_shift, shifted_sigmas, truncate_sigmas
from ....sora_core.shapes import Grid
from ..flow_sigma import counts_flow
from ..models.model import HostModel

LTX_MODELS = ("LTXV", "LTXAV")
LTX_TOKENS = (1024, 4096)
LTX_SHIFTS = (0.95, 2.05)  # logarithms of the shift at these many tokens
LTX_TERMINAL = 0.1  # the last noise level above 0


def model_sigmas(
    patcher: comfy.model_patcher.ModelPatcher, grid: Grid, steps: int, shift: float, strength: float
) -> Tensor:
    """`steps` noise levels for this model and a latent of `grid`, from `strength` down to 0.

    `shift` 0 uses the model's own, as its author or a node that patches model sampling set it.
    `strength` in (0, 1] is a level of rectified flow: 0.5 is sigma 1 of a model with unbounded
    sigma. ConfigError for a `shift` of a model that has none.
    """
    sampling = patcher.get_model_object("model_sampling")
    if counts_flow(sampling):
        return torch.tensor(truncate_sigmas(flow_sigmas(patcher, grid, steps, shift), strength))
    if shift:
        raise ConfigError(
            f"shift {shift:g}: {type(patcher.model).__name__} does not use rectified flow and has "
            "no shift; set it to 0"
        )
    spacing = "normal" if hasattr(sampling, "log_sigmas") and discrete(sampling) else "karras"
    sigmas = comfy.samplers.calculate_sigmas(sampling, spacing, steps)
    if strength == 1:
        return sigmas
    start = strength / (1 - strength)
    return torch.cat([sigmas.new_tensor([start]), sigmas[sigmas < start]])


def flow_sigmas(
    patcher: comfy.model_patcher.ModelPatcher, grid: Grid, steps: int, shift: float = 0.0
) -> list[float]:
    """`steps + 1` levels from 1 to 0 of a model of rectified flow."""
    if shift:
        return shifted_sigmas(steps, shift)
    if isinstance(patcher.model, HostModel):
        return shifted_sigmas(steps, clip_shift(grid))
    if type(patcher.model).__name__ in LTX_MODELS:
        return ltx_sigmas(grid.cells, steps)
    return shifted_sigmas(steps, own_shift(patcher, grid))


def own_shift(patcher: comfy.model_patcher.ModelPatcher, grid: Grid) -> float:
    """The shift of a model of rectified flow for a latent of `grid`; 1 where it has none."""
    if type(patcher.model).__name__ in LTX_MODELS:
        return ltx_shift(grid.cells)
    sampling = patcher.get_model_object("model_sampling")
    shift = float(getattr(sampling, "shift", 1.0))
    exponential = isinstance(sampling, comfy.model_sampling.ModelSamplingFlux)
    return math.exp(shift) if exponential else shift


def ltx_shift(tokens: int) -> float:
    """The shift of LTX-Video for `tokens` tokens: its logarithm is linear in their number."""
    (few, many), (low, high) = LTX_TOKENS, LTX_SHIFTS
    return math.exp(low + (high - low) * (tokens - few) / (many - few))


def ltx_sigmas(tokens: int, steps: int) -> list[float]:
    """The schedule of LTX-Video: shifted by tokens, then stretched to end at `LTX_TERMINAL`.

    Lightricks/LTX-Video, schedulers/rf.py.
    """
    factor = ltx_shift(tokens)
    sigmas = [1 / (1 + (steps / (steps - i) - 1) / factor) for i in range(steps)]
    last = 1 - sigmas[-1]
    if last > 0:
        sigmas = [1 - (1 - sigma) * (1 - LTX_TERMINAL) / last for sigma in sigmas]
    return [*sigmas, 0.0]


def discrete(sampling: object) -> bool:
    """Whether a model was trained at a table of noise levels, as Stable Diffusion was."""
    return isinstance(sampling, comfy.model_sampling.ModelSamplingDiscrete)


def schedule_remark(patcher: comfy.model_patcher.ModelPatcher, sigmas: Tensor, grid: Grid) -> str:
    """A warning where `sigmas` suit sora-mini and this is another model; else empty."""
    model = patcher.model
    if isinstance(model, HostModel) or len(sigmas) < 2:
        return ""
    kind, start = type(model).__name__, float(sigmas[0])
    sampling: Any = patcher.get_model_object("model_sampling")
    if not counts_flow(sampling):
        most = float(sampling.sigma_max)
        if start != 1 or most < 2:
            return ""
        return (
            f"These sigmas start at 1, the noise of {kind} at {most:.3g}: connect its MODEL to "
            "Sora Schedule."
        )
    assumed, own = clip_shift(grid), own_shift(patcher, grid)
    assumed_sigmas = torch.tensor(shifted_sigmas(len(sigmas) - 1, assumed)).to(sigmas)
    if not torch.allclose(sigmas, assumed_sigmas) or math.isclose(assumed, own, rel_tol=0.1):
        return ""
    return (
        f"These sigmas have a shift of {assumed:.1f}, chosen for sora-mini at this size; {kind} "
        f"uses {own:.1f}: connect its MODEL to Sora Schedule."
    )
