"""All that the model gets for one segment of a canvas beside its noisy latent.

Axes: b batch, c channels, t latent frames, y rows, x columns, p prompts.
"""

from dataclasses import dataclass, fields, replace

import comfy.model_patcher
import torch
from jaxtyping import Float
from torch import Tensor

from ....sora_core.pipeline.segment_runner import SegmentTask
from ....sora_core.sampling.drift import Statistics
from ....sora_core.sampling.guidance import Share
from ....sora_core.sampling.inpaint import SamplingMask
from ....sora_core.seams.easing import ease_guidance
from ....sora_core.shapes import Latent
from ..conditioning import Conds
from ..latents import LatentDict
from .conditioning_support import ConditioningSupport
from .footage_inputs import ConcatChannels, footage_inputs
from .guide_frames import GuideFrames
from .pixel_footage import PixelFootage
from .reference_frame import ReferenceFrame
from .sound_latent import SoundLayout
from .vace_context import VaceContext

GUIDING_FRAME = "guiding_frame_index"  # HunyuanVideo I2V, second version: this frame is clean


@dataclass(frozen=True, slots=True)
class SegmentContext:
    """The inputs of the model for the segment that is being sampled, on the model's device."""

    known: Latent  # in the model's scale, not the VAE's
    mask: SamplingMask
    model_mask: SamplingMask | None  # noise levels of known tokens
    concat: ConcatChannels | None  # the model's channels for footage
    concat_empty: ConcatChannels | None  # the same without any footage
    guiding: bool  # whether `model_mask` is that of a lone first frame, for the first call only
    vace: VaceContext | None  # the context of VACE
    vace_empty: VaceContext | None  # the same without any footage
    prompts: Float[Tensor, "p t"]  # weight of each prompt in each latent frame of the canvas
    start: int = 0  # index of the segment's first latent frame on the canvas
    reference: Statistics | None = None  # channel statistics of an earlier segment
    share: Share = 1.0  # factor of text guidance for each frame, on the CPU
    guides: GuideFrames | None = None  # single frames of footage, after the latent
    reference_frame: ReferenceFrame | None = None  # a picture before the latent
    layout: SoundLayout | None = None  # of a latent with sound in columns of its frames


@dataclass(frozen=True, kw_only=True, slots=True)
class CanvasInputs:
    """The inputs of the model for a whole canvas, from which those of each segment are cut.

    `mask` is 1 where the model generates, and where it gets footage frame by frame from `pixels`
    or `guides` instead.
    """

    patcher: comfy.model_patcher.ModelPatcher
    support: ConditioningSupport
    latent: LatentDict
    mask: SamplingMask
    ring: bool
    positive: Conds
    prompts: Float[Tensor, "p t"]
    pixels: PixelFootage | None
    guides: GuideFrames | None
    reference_frame: ReferenceFrame | None
    layout: SoundLayout | None
    easing: int  # latent frames over which text guidance rises beside footage

    def of_segment(self, task: SegmentTask) -> SegmentContext:
        """The inputs for the segment of `task`, on the device that the model runs on.

        Those whose names end in `_empty` describe a canvas without footage; footage guidance needs
        them.
        """
        model, segment = self.patcher.model, task.segment
        latent, mask = segment.known, segment.mask
        model_mask = self.support.model_mask(mask)
        guiding = model_mask is None and self.has_guiding_frame(mask)
        if guiding:
            model_mask = torch.ones_like(mask)
            model_mask[:, :, :1] = 0
        pixels = self.pixels
        if pixels is not None:
            placed_mask = self.mask[:, :, segment.frames].clone()
            placed_mask[:, :, : task.lead] = 1
            pixels = pixels.of_segment(segment.frames, latent, mask, placed_mask)
        users = None if self.reference_frame is None else self.reference_frame.beside_video
        footage = footage_inputs(
            model, self.support, self.latent, segment, model_mask, pixels, self.ring, users
        )
        context = SegmentContext(
            known=model.process_latent_in(latent),
            mask=mask,
            model_mask=model_mask if bool((mask < 1).any()) else None,
            concat=footage.concat,
            concat_empty=footage.concat_empty,
            guiding=guiding,
            vace=footage.vace,
            vace_empty=footage.vace_empty,
            prompts=self.prompts,
            start=segment.start,
            reference=segment.reference and segment.reference.transformed(model.process_latent_in),
            guides=self.guides,
            reference_frame=self.reference_frame,
            layout=self.layout,
        )
        share = ease_guidance(mask, self.easing, self.ring)
        return replace(to_device(context, self.patcher.load_device), share=share)

    def has_guiding_frame(self, mask: SamplingMask) -> bool:
        """Whether the conditioning marks the first frame as clean and it is known on the canvas."""
        return any(GUIDING_FRAME in cond for cond in self.positive) and not mask[:, :, 0].any()


def to_device(context: SegmentContext, device: torch.device) -> SegmentContext:
    """`context` on `device`."""
    on_device = {
        field.name: part.to(device)
        for field in fields(context)
        if isinstance(part := getattr(context, field.name), Tensor)
    }
    return replace(context, **on_device)
