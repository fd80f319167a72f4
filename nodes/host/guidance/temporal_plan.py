"""The latent frames of one model call, from the model's training, memory and the user."""

from typing import Any

import comfy.model_management as devices
import comfy.model_patcher
import torch
from torch import Tensor

from ....sora_core.errors import ConfigError
from ....sora_core.pipeline.denoiser import ring_start
from ....sora_core.pipeline.generate import SEGMENT_SETTINGS
from ....sora_core.pipeline.temporal_plan import OVERLAP, TemporalPlan
from ....sora_core.sampling.schedules import clip_shift, shifted_sigmas
from ....sora_core.sampling.windows import Windows
from ....sora_core.seams.settings import JoinSettings
from ....sora_core.shapes import Grid
from ..latents import LatentDict, canvas_latent_of, is_loop
from ..models.model import HostModel
from .conditioning_support import ConditioningSupport
from .trained_length import trained_latent_frames

MEMORY_SHARE = 0.5  # share of a device's memory for activations; the rest is for weights
WINDOW_LEAD = 1  # latent frames; the host's context windows have it too: "causal_window_fix"
BATCH_ROWS = 2  # cond and uncond in one batch
OFFLOADING = 8  # times as many run where rows go one by one and weights wait in main memory:
# 81 frames of 1280x720 in 12 GB where the share above holds 13 (ComfyUI-WanVideoWrapper#1713)


def plan_for_latent(
    patcher: comfy.model_patcher.ModelPatcher,
    support: ConditioningSupport,
    latent: LatentDict,
    seconds: float,
    joins: JoinSettings,
) -> TemporalPlan:
    """The plan for `latent` on this model and its device.

    `seconds` is the length of a window; 0 takes the length that the model was trained for, or what
    memory holds. A model that accepts no footage is sampled in segments only with a hand-over in
    `joins`: without it a segment would not continue the one before. ConfigError for other `seconds`
    where `latent` has no canvas.
    """
    length, remark = frames_at_once(patcher, latent, seconds)
    ours = isinstance(patcher.model, HostModel)
    lead = 0 if ours or length <= WINDOW_LEAD + 1 else WINDOW_LEAD
    return TemporalPlan(
        Grid(*latent["samples"].shape[2:]),
        Windows(length, min(OVERLAP, length - lead - 1), lead),
        ring=is_loop(latent),
        in_segments=support.accepts_footage or joins.hand_over > 0,
        cut_everywhere=ours,
        ring_place=ring_start(patcher.model.diffusion_model.config) if ours else 0,
        remark=remark,
    )


def window_sigmas(plan: TemporalPlan, sigmas: Tensor) -> Tensor:
    """`sigmas`; those of Sora Schedule are recomputed for the length of one model call.

    Sora Schedule itself counts the tokens of the whole latent.
    """
    as_whole, as_window = (
        torch.tensor(shifted_sigmas(len(sigmas) - 1, clip_shift(grid))).to(sigmas)
        for grid in (plan.whole, plan.window)
    )
    return as_window if torch.allclose(sigmas, as_whole) else sigmas


def frames_at_once(
    patcher: comfy.model_patcher.ModelPatcher, latent: LatentDict, seconds: float
) -> tuple[int, str]:
    """The latent frames of one model call of `seconds`, and a remark for the user.

    0 seconds is the length that the model was trained for, or what memory holds if that is unknown.
    The result is shorter than the trained length only where even offloading cannot hold it, with a
    remark. Total memory counts, not free memory, so that the result is reproducible.
    """
    frames = latent["samples"].shape[2]
    least, model, remark = min(frames, SEGMENT_SETTINGS.history + 1), patcher.model, ""
    if seconds:
        encoded = canvas_latent_of(latent)
        if encoded is None:
            raise ConfigError(
                f"window of {seconds:g} seconds, and a latent without a canvas: set it to 0, or "
                "use Sora Encode Canvas"
            )
        count = max(1, round(seconds * encoded.canvas.fps))
        wanted = encoded.compression.latent_frames(count)
    elif isinstance(model, HostModel):
        wanted = model.window
    else:
        fitting, trained = frames_in_memory(patcher, latent), trained_latent_frames(model)
        wanted = int(fitting) if trained is None else min(trained, int(OFFLOADING * fitting))
        if trained is not None and wanted < min(trained, frames):
            remark = (
                f"Memory holds fewer than the {trained} latent frames that this model was trained "
                "for: choose a smaller size, or set `window` to try more."
            )
    return min(frames, max(least, wanted)), remark


def frames_in_memory(patcher: comfy.model_patcher.ModelPatcher, latent: LatentDict) -> float:
    """How many latent frames the memory share of this device holds, by the host's own estimate."""
    batch, channels, frames, *sides = latent["samples"].shape
    memory: Any = devices.get_total_memory(patcher.load_device)
    needed = patcher.model.memory_required([BATCH_ROWS * batch, channels, frames, *sides])
    return frames * MEMORY_SHARE * memory / needed
