"""Guidance by text as the host's GUIDER, without a canvas."""

from collections.abc import Sequence
from typing import Any

import comfy.model_base
import comfy.samplers
from torch import Tensor

from ....sora_core.sampling.guidance import GuidanceScale, combine
from ....sora_core.shapes import Grid, Latent
from ..flow_sigma import flow_scale
from ..sampling import Callback
from .low_noise_expert import LowNoiseExpert
from .model_schedule import schedule_remark


class Guider(comfy.samplers.CFGGuider):
    """A GUIDER that computes the unconditional prediction only within an interval of noise."""

    summary = ""  # settings without effect, for the user
    report = ""  # findings of the last run
    matched = False  # whether the frames generated in the last run have the statistics of footage
    low: LowNoiseExpert | None = None

    def set_guidance(self, guidance: GuidanceScale) -> None:
        self.guidance = guidance

    def set_low_noise_expert(self, low: LowNoiseExpert) -> None:
        """Sets the model for calls below its boundary; ConfigError if it is of another kind."""
        low.check(self.model_patcher)
        self.low = low

    def sample(
        self,
        noise: Latent,
        latent_image: Latent,
        sampler: comfy.samplers.Sampler,
        sigmas: Tensor,
        denoise_mask: Tensor | None = None,
        callback: Callback | None = None,
        disable_pbar: bool = False,
        seed: int | None = None,
    ) -> Latent:
        """The sampled latent, in the VAE's scale; `report` then holds a remark on the schedule.

        `sigmas` descend on the scale of the host's model. `denoise_mask` is 1 where the model
        generates and 0 at known cells. The low-noise expert is released even after an error.
        """
        sides = latent_image.shape[2:]
        self.report = schedule_remark(self.model_patcher, sigmas, grid_of(sides))
        try:
            return super().sample(
                noise, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed
            )
        finally:
            if self.low is not None:
                self.low.release()

    def expert_at(
        self, level: float, x: Latent, options: dict[str, Any]
    ) -> tuple[comfy.model_base.BaseModel, dict[str, Any]]:
        """The network that serves noise `level`, and its model options."""
        if self.low is None:
            return self.inner_model, options
        return self.low.at(level, self.model_patcher, tuple(x.shape), self.conds, options)

    def predict_noise(
        self,
        x: Latent,
        timestep: Tensor,
        model_options: dict[str, Any] | None = None,
        seed: int | None = None,
    ) -> Latent:
        """The guided clean latent at `x`, not the noise.

        `timestep` is sigma on the scale of the host's model. The guidance scale is 1 outside the
        interval, which is in levels of rectified flow, from 0 to 1.
        """
        sigma = timestep.max().item()
        level = sigma / flow_scale(self.inner_model, sigma)
        scale, _ = self.guidance.scales_at(level)
        model, own = self.expert_at(level, x, model_options or {})
        options = {"sampler_cfg_function": self.combine} | own
        return comfy.samplers.sampling_function(
            model,
            x,
            timestep,
            self.conds.get("negative"),
            self.conds.get("positive"),
            scale,
            model_options=options,
            seed=seed,
        )

    def combine(self, arguments: dict[str, Any]) -> Latent:
        """The guided noise: the host subtracts it from the input."""
        cond, uncond = arguments["cond_denoised"], arguments["uncond_denoised"]
        scale, rescale = arguments["cond_scale"], self.guidance.rescale
        return arguments["input"] - combine(cond, uncond, None, scale, rescale=rescale)


def grid_of(sides: Sequence[int]) -> Grid:
    """The grid of a latent whose sides after the channels are t y x, or y x of an image."""
    frames = sides[0] if len(sides) == 3 else 1
    return Grid(frames, *sides[-2:])
