"""The transformer as the host calls a network, with the host's layers, attention and patches.

Axes: b batch, c channels, t frames, y rows, x columns, l text tokens, e text width.

The host's timesteps are sigma x 1000, and it expects velocities: (x - clean) / sigma. Known footage
comes as a `denoise_mask`: 1 where the model generates, 0 where footage is exact. A token's noise
level is the mask times sigma, so known tokens have sigma 0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import comfy.patcher_extension
import torch
from comfy.ldm.modules.attention import optimized_attention
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import pad

from ....sora_core.models.dit import DiT, DiTConfig
from ....sora_core.models.half_layers import attention
from ....sora_core.models.layers import Layers
from ....sora_core.models.metric import USUAL_FPS
from ....sora_core.sampling.inpaint import mask_by_frame
from ....sora_core.shapes import Latent

TIMESTEPS = 1000  # the host's timestep at sigma 1
ATTENTION_OVERRIDE = "optimized_attention_override"  # the host's key

TransformerOptions = dict[str, Any]
"""The host's transformer options: patches, wrappers and the state of sampling."""

TextInput = Int[Tensor, "b l"] | Float[Tensor, "b t l"]
"""A mask of text tokens; or the log weight of each in each latent frame."""


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
