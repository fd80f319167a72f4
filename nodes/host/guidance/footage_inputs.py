"""Footage as inputs of a model beside the noisy latent: concat channels, or the context of VACE.

Axes: b batch, c channels, t latent frames, y rows, x columns.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ....sora_core.sampling.inpaint import SamplingMask
from ....sora_core.sampling.segments import Segment
from ....sora_core.shapes import Latent
from ..latents import LatentDict, filler_of, is_loop
from .conditioning_support import BaseModel, ConditioningSupport, concat_channels
from .pixel_footage import PixelFootage
from .trained_length import class_names
from .vace_context import VaceContext, vace_context, vace_pixel_context

GREY_FILLER = "WAN21"
ZERO_FILLER = "WAN21_Camera"  # 0 in the scale of the network, where Wan has grey

ConcatChannels = Float[Tensor, "1 c2 t y x"]


@dataclass(frozen=True, slots=True)
class FootageInputs:
    """The inputs of a segment, and those of one without footage, which footage guidance needs."""

    concat: ConcatChannels | None = None
    concat_empty: ConcatChannels | None = None
    vace: VaceContext | None = None
    vace_empty: VaceContext | None = None


def footage_inputs(
    model: BaseModel,
    support: ConditioningSupport,
    latent: LatentDict,
    segment: Segment,
    model_mask: SamplingMask | None,
    pixels: PixelFootage | None,
    looped: bool,
) -> FootageInputs:
    """The footage inputs of `model` for `segment` of the canvas `latent`.

    `pixels` are those of the segment. `model_mask` has the noise levels of known tokens; cells
    above 0 count as open.
    """
    known, mask = segment.known, segment.mask
    empty, free = empty_footage(model, latent, known), torch.ones_like(mask)
    placed = bool((mask < 1).any()) or pixels is not None
    concat = concat_empty = vace = vace_empty = None
    if (support.images or support.marks) and (placed or looped):
        closed = (mask if model_mask is None else model_mask).gt(0)
        footage, marks = torch.where(closed, empty, known), closed.to(known)
        if pixels is not None:
            footage, marks = pixels.latent, pixels.openness
            if ZERO_FILLER in class_names(model):
                unknown = marks.amin((1, 3, 4), keepdim=True) > 0
                footage = torch.where(unknown, empty, footage)
        concat = concat_channels(model, footage, marks)
        concat_empty = concat_channels(model, empty, free)
    if support.context and "noise_mask" in latent:
        vace = vace_context(model, known, mask, empty)
        if pixels is not None:
            vace = vace_pixel_context(model, pixels.latent, pixels.open_pixels, empty)
        vace_empty = vace_context(model, known, free, empty)
    return FootageInputs(concat, concat_empty, vace, vace_empty)


def empty_footage(model: BaseModel, latent: LatentDict, like: Latent) -> Latent:
    """The content of the model's footage channels where there is no footage.

    As in the host's own nodes: a grey video for Wan; zeros for HunyuanVideo, HunyuanVideo 1.5,
    SkyReels and CogVideoX; zeros in the scale of the network for Wan with a camera.
    """
    if ZERO_FILLER in class_names(model):
        return model.process_latent_out(torch.zeros_like(like))
    grey = filler_of(latent) if GREY_FILLER in class_names(model) else None
    if grey is None or grey.shape[3:] != like.shape[3:]:
        return torch.zeros_like(like)
    first = grey.shape[2] - 1 if is_loop(latent) else 0
    return grey[:, :, (first + torch.arange(like.shape[2])).clamp(max=grey.shape[2] - 1)].to(like)
