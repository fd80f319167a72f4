"""The transformer as a MODEL of the host.

Axes: b batch, c channels, t frames, y rows, x columns, l text tokens, e text width.

The host's timesteps are sigma x 1000, and it expects velocities: (x - clean) / sigma. Known footage
comes as a `denoise_mask`: 1 where the model generates, 0 where footage is exact. A token's noise
level is the mask times sigma, so known tokens have sigma 0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import comfy.conds
import comfy.latent_formats
import comfy.model_base
import comfy.model_management as devices
import comfy.model_patcher
import comfy.patcher_extension
import comfy.supported_models_base
import torch
from comfy.ldm.modules.attention import optimized_attention
from einops import rearrange
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
from ....sora_core.models.dit import DiT, DiTConfig
from ....sora_core.models.half_layers import attention
from ....sora_core.models.layers import Layers
from ....sora_core.models.metric import USUAL_FPS
from ....sora_core.models.precision import sample_in_bfloat16
from ....sora_core.pipeline.denoiser import BATCHED_TOKENS
from ....sora_core.sampling.inpaint import mask_by_frame
from ....sora_core.shapes import COMPRESSION, Latent
from .precision import chosen_dtype

TIMESTEPS = 1000  # the host's timestep at sigma 1
PREVIEW_SIDE = 128  # pixels; latents are too small to look at
FRAME_RATE = "frame_rate"
"""The conditioning key for frames per second, which LTXVConditioning and Sora's nodes set."""
ATTENTION_OVERRIDE = "optimized_attention_override"  # the host's key
DIT_ACTIVATIONS = 24  # activations per token at the peak, in widths, measured

TransformerOptions = dict[str, Any]
"""The host's transformer options: patches, wrappers and the state of sampling."""

TextInput = Int[Tensor, "b l"] | Float[Tensor, "b t l"]
"""A mask of text tokens; or the log weight of each in each latent frame."""

StateDict = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class HostLayers:
    """The host's layers, which cast and offload their weights, all of one dtype on one device."""

    Linear: Callable[..., nn.Module]
    Conv2d: Callable[..., nn.Module]
    LayerNorm: Callable[..., nn.Module]
    Embedding: Callable[..., nn.Module]

    @classmethod
    def from_operations(
        cls, operations: Layers, dtype: torch.dtype, device: torch.device
    ) -> "HostLayers":
        kinds = (operations.Linear, operations.Conv2d, operations.LayerNorm, operations.Embedding)
        return cls(*(partial(kind, dtype=dtype, device=device) for kind in kinds))


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


class HostDiT(DiT):
    """The transformer as the host calls it: returns the velocity at a noisy latent and timestep."""

    def __init__(
        self,
        *,
        image_model: str,
        config: DiTConfig,
        dtype: torch.dtype,
        device: torch.device,
        operations: Layers,
    ) -> None:
        super().__init__(config, HostLayers.from_operations(operations, dtype, device))
        self.dtype = dtype

    def forward(
        self,
        x: Latent,
        timestep: Float[Tensor, " b"],
        context: Float[Tensor, "b l e"],
        control: object = None,
        transformer_options: TransformerOptions | None = None,
        attention_mask: TextInput | None = None,
        denoise_mask: Float[Tensor, "b 1 #t #y #x"] | None = None,
        frame_rate: float = USUAL_FPS,
        **_: object,  # hosts pass more with each version
    ) -> Latent:
        """The velocity `(x - clean) / sigma`, computed through the host's wrappers.

        `timestep` is sigma x 1000. `denoise_mask` is 1 where the model generates and 0 at exact
        footage, where the velocity is 0. `frame_rate` is in frames per second; it counts for models
        with positions in seconds only. `control` has no effect.
        """
        options = transformer_options or {}
        kind = comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL
        wrappers = comfy.patcher_extension.get_all_wrappers(kind, options)
        run = comfy.patcher_extension.WrapperExecutor.new_class_executor(
            self.velocity, self, wrappers
        )
        return run.execute(x, timestep, context, attention_mask, denoise_mask, options, frame_rate)

    def velocity(
        self,
        x: Latent,
        timestep: Float[Tensor, " b"],
        context: Float[Tensor, "b l e"],
        attention_mask: TextInput | None,
        denoise_mask: Float[Tensor, "b 1 #t #y #x"] | None,
        options: TransformerOptions,
        frame_rate: float = USUAL_FPS,
    ) -> Latent:
        """The velocity at `x`; 0 where the mask marks exact footage."""
        patch = self.config.patch
        rows, columns = x.shape[-2:]
        sigma = rearrange(timestep / TIMESTEPS, "b -> b 1 1 1 1")
        level = sigma
        if denoise_mask is not None:
            level = sigma * mask_by_frame(window_mask(denoise_mask, x.shape[2], options))
        words = attention_mask
        if words is not None and words.ndim == 2:
            words = None if words.all() else words.bool()
        clean = super().forward(
            in_patches(x, patch),
            level if level.shape[3:] == (1, 1) else in_patches(level, patch),
            context,
            words,
            start=first_frames(x.shape[2], x.device, options),
            fps=frame_rate,
            attend=partial(host_attention, options=options),
            block_wrapper=partial(patched_block, options=options),
        )
        heading = (x.float() - clean[..., :rows, :columns].float()) / sigma.clamp(min=1e-6)
        return torch.where(level > 0, heading, 0.0)


def in_patches(x: Tensor, patch: int) -> Tensor:
    """`x`, its last row and column repeated until both sides are multiples of `patch`."""
    rows, columns = (-side % patch for side in x.shape[-2:])
    return pad(x, (0, columns, 0, rows, 0, 0), mode="replicate") if rows or columns else x


def window_mask(
    mask: Float[Tensor, "b 1 #t #y #x"], frames: int, options: TransformerOptions
) -> Tensor:
    """`mask` at the frames of the context window; some hosts pass it whole."""
    if mask.shape[2] in (1, frames):
        return mask
    return mask[:, :, options["context_window"].index_list]


def first_frames(frames: int, device: torch.device, options: TransformerOptions) -> float | Tensor:
    """The offset of frame indices in a context window to those in the whole video."""
    window = options.get("context_window")
    if window is None or len(window.index_list) != frames:
        return 0.0
    places = torch.tensor(window.index_list, dtype=torch.float32, device=device)
    return places - torch.arange(frames, device=device)


def host_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, options: TransformerOptions
) -> Tensor:
    """The attention backend that the user chose; all of them accept additive masks.

    In bfloat16 on a CPU it is ours, unless the user overrides it: no backend has one that is fast.
    """
    if q.dtype == torch.bfloat16 and q.device.type == "cpu" and ATTENTION_OVERRIDE not in options:
        return attention(q, k, v, mask)
    if mask is not None:
        if mask.dtype == torch.bool:
            mask = torch.zeros_like(mask, dtype=q.dtype).masked_fill(~mask, -torch.inf)
        mask = mask.to(q.dtype).expand(-1, -1, q.shape[2], -1)
    return optimized_attention(
        q,
        k,
        v,
        q.shape[1],
        mask=mask,
        skip_reshape=True,
        skip_output_reshape=True,
        transformer_options=options,
    )


def patched_block(
    i: int, block: Callable[[Tensor], Tensor], x: Tensor, *, options: TransformerOptions
) -> Tensor:
    """The output of block `i`, or of the host's patch that replaces it."""
    patches = options.get("patches_replace", {}).get("dit", {})
    if ("double_block", i) not in patches:
        return block(x)

    def original(args: Mapping[str, Any]) -> dict[str, Tensor]:
        return {"img": block(args["img"])}

    patch = patches["double_block", i]
    args = {"img": x, "transformer_options": options}
    return patch(args, {"original_block": original})["img"]


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
    result.cached_patcher_init = (again, (path, bundle))  # newer hosts load it anew from here
    return result


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
    default = comfy.model_patcher.ModelPatcher
    kind = default
    if not disable_dynamic:
        kind = getattr(comfy.model_patcher, "CoreModelPatcher", default)
    return kind(model, load_device=load_device, offload_device=offload_device)
