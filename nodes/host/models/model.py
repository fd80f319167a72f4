"""The transformer as a MODEL of the host: its conditioning, latent format, memory and files.

Axes: b batch, c channels, t frames, y rows, x columns, l text tokens, e text width.
"""

from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import comfy.conds
import comfy.latent_formats
import comfy.model_base
import comfy.model_management as devices
import comfy.model_patcher
import comfy.sd
import comfy.supported_models_base
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from ....sora_core.checkpoints.checkpoint import (
    AUTOENCODER_PREFIX,
    SETTINGS,
    TRANSFORMER_PREFIX,
    CheckpointConfig,
    Colours,
    settings_tensor,
)
from ....sora_core.checkpoints.safetensors_io import load_into, read_tensors
from ....sora_core.errors import PromptError
from ....sora_core.models.precision import sample_in_bfloat16
from ....sora_core.pipeline.denoiser import BATCHED_TOKENS
from ....sora_core.sampling.inpaint import mask_by_frame
from ....sora_core.shapes import COMPRESSION, Latent
from .precision import chosen_dtype
from .transformer import HostDiT

PREVIEW_SIDE = 128  # pixels; latents are too small to look at
FRAME_RATE = "frame_rate"
"""The conditioning key for frames per second, which LTXVConditioning and Sora's nodes set."""
DIT_ACTIVATIONS = 24  # activations per token at the peak, in widths, measured

StateDict = dict[str, Tensor]


class LatentFormat(comfy.latent_formats.LatentFormat):
    """Our latent format for the host. Previews show the next latent frame at each step."""

    latent_dimensions = 3
    spacial_downscale_ratio = COMPRESSION.rows
    temporal_downscale_ratio = COMPRESSION.time

    def __init__(self, colours: Colours) -> None:
        self.latent_channels = len(colours.factors)
        self.latent_rgb_factors = [list(row) for row in colours.factors]
        self.latent_rgb_factors_bias = list(colours.bias)
        self.latent_rgb_factors_reshape = self.next_frame
        self.preview_index = 0

    def next_frame(self, latent: Latent) -> Latent:
        """The latent frame after the previously previewed one, scaled to preview size."""
        frame = latent[:1, :, self.preview_index % latent.shape[2]]
        self.preview_index += 1
        scale = max(1, PREVIEW_SIDE // max(frame.shape[-2:]))
        return interpolate(frame.float(), scale_factor=scale, mode="bilinear")[:, :, None]


class TextCond(comfy.conds.CONDRegular):
    """Text states or their mask; the prompts of a batch are padded to the longest."""

    def __init__(self, cond: Tensor, together: bool) -> None:
        super().__init__(cond)
        self.together = together

    def _copy_with(self, cond: Tensor) -> "TextCond":
        return TextCond(cond, self.together)

    def can_concat(self, other: "TextCond") -> bool:
        return self.together and self.cond.shape[2:] == other.cond.shape[2:]

    def concat(self, others: list["TextCond"]) -> Tensor:
        words = [self.cond, *(other.cond for other in others)]
        longest = max(part.shape[1] for part in words)
        around = [0, 0] * (self.cond.ndim - 2)
        return torch.cat([pad(part, [*around, 0, longest - part.shape[1]]) for part in words])


class HostModel(comfy.model_base.BaseModel):
    """The host's model: the transformer with its schedule and conditioning."""

    diffusion_model: HostDiT

    def __init__(self, config: "HostConfig", device: torch.device | None = None) -> None:
        flow = comfy.model_base.ModelType.FLOW
        network: Any = HostDiT  # the host's annotation knows its first network only
        super().__init__(config, flow, device=device, unet_model=network)
        settings = config.bundle.sampling
        self.window = settings.window  # latent frames that it was trained on
        self.easing = settings.easing  # latent frames over which guidance rises after known footage
        self.fps = config.bundle.fps  # where no conditioning states another rate

    def extra_conds(
        self,
        *,
        noise: Latent,
        cross_attn: Float[Tensor, "b l e"] | None = None,
        attention_mask: Int[Tensor, "b l"] | None = None,
        denoise_mask: Float[Tensor, "b c t y x"] | None = None,
        **options: object,
    ) -> dict[str, Any]:
        """The host's conditioning; all prompts in one batch where that is faster."""
        if cross_attn is None:
            raise PromptError(
                "conditioning without text: this model needs it; connect Sora Encode Prompt"
            )
        conds = super().extra_conds(noise=noise, cross_attn=cross_attn, **options)
        if self.metric:
            conds[FRAME_RATE] = comfy.conds.CONDConstant(options.get(FRAME_RATE, self.fps))
        conds |= self.words_conds(cross_attn, attention_mask, noise)
        if denoise_mask is not None and bool((denoise_mask < 1).any()):
            conds["denoise_mask"] = comfy.conds.CONDRegular(mask_by_frame(denoise_mask[:, :1]))
        return conds

    @property
    def metric(self) -> bool:
        """Whether the frame rate is an input of the model."""
        return self.diffusion_model.config.metric

    def words_conds(
        self, words: Float[Tensor, "b l e"], mask: Int[Tensor, "b l"] | None, noise: Latent
    ) -> dict[str, TextCond]:
        """The conditioning inputs `c_crossattn` and `attention_mask` for the text states `words`.

        All tokens count where `mask` is None or does not fit `words`. PromptError for text
        states of another width than the model's.
        """
        width = self.diffusion_model.config.text_width
        if words.shape[-1] != width:
            raise PromptError(
                f"conditioning of width {words.shape[-1]}: this model needs {width}; encode the "
                "prompt with the CLIP of Sora Load Model"
            )
        tokens = prod(noise.shape[2:]) // self.diffusion_model.config.patch**2
        together = noise.device.type != "cpu" or tokens < BATCHED_TOKENS
        if mask is None or mask.shape != words.shape[:2]:
            mask = torch.ones(words.shape[:2], dtype=torch.long)
        return {
            "c_crossattn": TextCond(words, together),
            "attention_mask": TextCond(mask.to(words.device, torch.long), together),
        }

    def scale_latent_inpaint(self, latent_image: Latent, **_: object) -> Latent:
        return latent_image  # known tokens are at noise level 0

    def memory_required(self, input_shape: list[int], cond_shapes: object = None) -> int:
        """Peak bytes of activations of the transformer on latents of `input_shape`."""
        tokens = input_shape[0] * prod(input_shape[2:]) // self.diffusion_model.config.patch**2
        size = devices.dtype_size(self.manual_cast_dtype or self.get_dtype())
        return tokens * self.diffusion_model.config.width * DIT_ACTIVATIONS * size


class HostConfig(comfy.supported_models_base.BASE):
    """The host's configuration, from which it builds the model."""

    unet_extra_config = {}  # noqa: RUF012  the host copies it
    supported_inference_dtypes = [torch.bfloat16, torch.float16, torch.float32]  # noqa: RUF012

    def __init__(self, path: Path, bundle: CheckpointConfig) -> None:
        super().__init__({"image_model": "sora", "config": bundle.transformer})
        self.path, self.bundle = path, bundle
        self.latent_format = LatentFormat(bundle.colours)
        self.sampling_settings = {"shift": bundle.sampling.shift}
        per_cell = bundle.transformer.width * DIT_ACTIVATIONS / bundle.transformer.patch**2
        self.memory_usage_factor = per_cell / (0.01 * 2**20)  # the unit of the host's own formula

    def get_model(
        self, state_dict: object, prefix: str = "", device: torch.device | None = None
    ) -> HostModel:
        return HostModel(self, device)

    def process_unet_state_dict_for_saving(self, state_dict: StateDict) -> StateDict:
        """The state of a whole model file: Sora Load Model can load what Save Model writes."""
        return {
            SETTINGS: settings_tensor(self.bundle),
            **{TRANSFORMER_PREFIX + name: tensor for name, tensor in state_dict.items()},
            **self.process_vae_state_dict_for_saving(
                read_tensors(self.path, prefix=AUTOENCODER_PREFIX)
            ),
        }

    def process_vae_state_dict_for_saving(self, state_dict: StateDict) -> StateDict:
        return {AUTOENCODER_PREFIX + name: tensor for name, tensor in state_dict.items()}

    def process_clip_state_dict_for_saving(self, state_dict: StateDict) -> StateDict:
        return {}  # the released text encoder is used


def load_model(
    path: Path,
    bundle: CheckpointConfig,
    disable_dynamic: bool = False,
    *,
    weight_dtype: str = "default",
) -> comfy.model_patcher.ModelPatcher:
    """A MODEL: the transformer of the file at `path`, ready for any sampler of the host.

    `disable_dynamic` asks a newer host for weights that stay whole, as training needs them.
    `weight_dtype` is one of `WEIGHT_DTYPES`.
    """
    config = HostConfig(path, bundle)
    load_device, offload_device = devices.get_torch_device(), devices.unet_offload_device()
    supported = config.supported_inference_dtypes
    chosen = chosen_dtype(weight_dtype, load_device)
    dtype = chosen.whole or devices.unet_dtype(load_device, supported_dtypes=supported)
    config.set_inference_dtype(dtype, devices.unet_manual_cast(dtype, load_device, supported))
    model = config.get_model({}, device=offload_device)
    load_into(model.diffusion_model, path, TRANSFORMER_PREFIX)
    model.requires_grad_(False)
    if chosen.products:
        sample_in_bfloat16(model.diffusion_model)
    result: Any = patcher(model, load_device, offload_device, disable_dynamic)
    again = partial(load_model, weight_dtype=weight_dtype)
    result.cached_patcher_init = (again, (path, bundle))  # newer hosts load it again from here
    return result


def with_lora(
    model: comfy.model_patcher.ModelPatcher, path: Path
) -> comfy.model_patcher.ModelPatcher:
    """`model` patched with the LoRA at `path`, as by ComfyUI's own loader."""
    patched: Any = comfy.sd.load_lora_for_models(model, None, read_tensors(path), 1.0, 0.0)[0]
    return patched


def patcher(
    model: nn.Module,
    load_device: torch.device,
    offload_device: torch.device,
    disable_dynamic: bool = False,
) -> comfy.model_patcher.ModelPatcher:
    """The host's patcher of `model`, which moves it between devices; newer hosts have another."""
    note_dtypes = getattr(devices, "archive_model_dtypes", None)
    if note_dtypes is not None:
        note_dtypes(model)
    kind = default = comfy.model_patcher.ModelPatcher
    if not disable_dynamic:
        kind = getattr(comfy.model_patcher, "CoreModelPatcher", default)
    return kind(model, load_device=load_device, offload_device=offload_device)
