"""Footage as inputs of a model beside the noisy latent: concat channels, or the context of VACE.

Axes: b batch, c channels, t latent frames, y rows, x columns.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ....sora_core.sampling.inpaint import SamplingMask
from ....sora_core.sampling.segments import Segment
from ..latents import LatentDict
from .conditioning_support import BaseModel, ConditioningSupport, concat_channels
from .open_space import empty_footage, with_empty_frames
from .pixel_footage import PixelFootage
from .vace_context import VaceContext, vace_context, vace_pixel_context

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
    users: ConcatChannels | None,
) -> FootageInputs:
    """The footage inputs of `model` for `segment` of the canvas `latent`.

    `pixels` are those of the segment. `model_mask` has the noise levels of known tokens; cells
    above 0 count as open. `users` are the channels of the conditioning, for a canvas without
    footage.
    """
    known, mask = segment.known, segment.mask
    empty, free = empty_footage(model, latent, known), torch.ones_like(mask)
    placed = bool((mask < 1).any()) or pixels is not None
    concat = concat_empty = vace = vace_empty = None
    if (support.images or support.marks) and (placed or looped):
        closed = (mask if model_mask is None else model_mask).gt(0)
        footage, marks = torch.where(closed, empty, known), closed.to(known)
        if pixels is not None:
            marks = pixels.openness
            footage = with_empty_frames(model, pixels.latent, marks, empty)
        concat = concat_channels(model, footage, marks)
        concat_empty = concat_channels(model, empty, free)
    elif users is not None:
        concat = concat_empty = users[:, :, segment.frames]
    if support.context and "noise_mask" in latent:
        vace = vace_context(model, known, mask, empty)
        if pixels is not None:
            vace = vace_pixel_context(model, pixels.latent, pixels.open_pixels, empty)
        vace_empty = vace_context(model, known, free, empty)
    return FootageInputs(concat, concat_empty, vace, vace_empty)
