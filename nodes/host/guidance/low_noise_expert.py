"""The second MODEL of a guider, for low noise: Wan 2.2 A14B is two networks of one class."""

from dataclasses import dataclass, field
from typing import Any

import comfy.model_base
import comfy.model_patcher
import comfy.sampler_helpers
import comfy.samplers

from ....sora_core.errors import ConfigError
from ..flow_sigma import counts_flow

Patcher = comfy.model_patcher.ModelPatcher
ModelOptions = dict[str, Any]
"""The host's model options."""


@dataclass(slots=True)
class LowNoiseExpert:
    """`patcher` serves the calls of a guider at noise levels below `boundary`.

    Wan 2.2 A14B switches at 0.875 for text to video and 0.9 for image to video (Wan-Video/Wan2.2,
    wan/configs). Only the network in use has to be in the device's memory: the host loads each at
    the switch and may offload the other.
    """

    patcher: Patcher
    boundary: float
    active: bool = False  # whether this network was the last to be loaded
    used: bool = False  # whether it was loaded in this run
    options: ModelOptions = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.boundary <= 1:
            raise ConfigError(f"boundary {self.boundary}: choose a noise level from 0 to 1")

    def check(self, high: Patcher) -> None:
        """ConfigError where this model cannot continue from the model for high noise."""
        first, second = high.model, self.patcher.model
        kinds = [f"{type(one).__name__} of {channels_of(one)} channels" for one in (first, second)]
        if kinds[0] != kinds[1]:
            raise ConfigError(
                f"model is {kinds[0]}, model_low is {kinds[1]}: connect two models of one kind"
            )
        sampling = [one.get_model_object("model_sampling") for one in (high, self.patcher)]
        if counts_flow(sampling[0]) != counts_flow(sampling[1]):
            raise ConfigError("model and model_low have other noise schedules: patch both alike")

    def at(
        self,
        level: float,
        high: Patcher,
        shape: tuple[int, ...],
        conds: dict[str, Any],
        options: ModelOptions,
    ) -> tuple[comfy.model_base.BaseModel, ModelOptions]:
        """The network and the model options for a call at noise `level`, loaded by the host.

        `options` are those of `high` in this run.
        """
        low = level < self.boundary
        if low and not self.used:
            self.options = self.prepared(conds, options, high)
        if low != self.active:
            chosen = self.patcher if low else high
            chosen_options = self.options if low else options
            comfy.sampler_helpers.prepare_sampling(chosen, shape, conds, chosen_options)
            if low and not self.used:
                self.patcher.pre_run()
            self.active, self.used = low, self.used or low
        return (self.patcher.model, self.options) if low else (high.model, options)

    def prepared(self, conds: dict[str, Any], options: ModelOptions, high: Patcher) -> ModelOptions:
        """The options of this model, with the sigmas of the run."""
        own = comfy.model_patcher.create_model_options_clone(self.patcher.model_options)
        transformer = own.setdefault("transformer_options", {})
        run = options.get("transformer_options", {})
        if "sample_sigmas" in run:
            transformer["sample_sigmas"] = run["sample_sigmas"]
        comfy.sampler_helpers.prepare_model_patcher(self.patcher, conds, own)
        comfy.samplers.cast_to_load_options(
            own, device=high.load_device, dtype=self.patcher.model_dtype()
        )
        return own

    def release(self) -> None:
        """Ends a run: the next one begins with the other model."""
        if self.used:
            comfy.samplers.cast_to_load_options(self.options, device=self.patcher.offload_device)
            self.patcher.restore_hook_patches()
            self.patcher.cleanup()
        self.active, self.used, self.options = False, False, {}


def channels_of(model: comfy.model_base.BaseModel) -> int:
    """The number of input channels of the network, those for conditioning included."""
    return sum(
        weight.shape[1]
        for name, weight in model.diffusion_model.named_parameters()
        if name in ("patch_embedding.weight", "img_in.proj.weight", "patchify_proj.weight")
    ) or int(model.latent_format.latent_channels)
