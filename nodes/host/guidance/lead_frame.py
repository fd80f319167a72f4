"""An extra latent frame before the later segments of a long video.

The first latent frame of a clip covers one frame, any later one several. A segment that begins
within a video has no latent frame that covers one frame. So the model gets an extra one before the
segment, and its prediction there is dropped. The host's context windows do the same
("causal_window_fix").

Where the segment begins with finished frames these are dropped anyway; LTX's own extension drops
the first of them (issue 239 of Lightricks / ComfyUI-LTXVideo). Wan image to video was trained on
one still at the start: its segments begin with the first latent frame of the whole video, then the
finished ones, as in SVI 2 (issue 75 of vita-epfl / Stable-Video-Infinity). VACE gets a longer
overlap instead: 8 to 16 frames (issue 27 of ali-vilab / VACE). Axes: b batch, c channels, t latent
frames, y x cells.
"""

from dataclasses import replace

import torch

from ....sora_core.sampling.inpaint import SamplingMask
from ....sora_core.sampling.segments import Segment, SegmentSettings
from ....sora_core.shapes import Latent
from .conditioning_support import ConditioningSupport

VACE_HISTORY = 4  # latent frames: 16 frames


def segment_settings(
    support: ConditioningSupport, settings: SegmentSettings, length: int
) -> SegmentSettings:
    """`settings` of segments of `length` latent frames, for a model that is not ours."""
    if not support.context:
        return settings
    return replace(settings, history=max(settings.history, min(VACE_HISTORY, length // 2)))


def segment_length(
    support: ConditioningSupport, settings: SegmentSettings, length: int, mask: SamplingMask
) -> int:
    """The latent frames of a segment for model calls of `length`: one less with a lead frame.

    `mask` is that of the whole video, which is generated backwards where only its end is known.
    """
    known = (mask < 1).flatten(3).any(3)[0, 0]
    backward = bool(known[-1]) and not bool(known[0])
    leads = support.by_frame or backward
    return max(settings.history + 1, length - 1) if leads else length


def with_lead(
    segment: Segment, support: ConditioningSupport, first: Latent | None, most: int
) -> Segment:
    """`segment`, with a lead frame where the model needs one.

    `first` is the finished first latent frame of the whole video, if there is one. A call of the
    model has at most `most` latent frames.
    """
    if segment.start == 0 or segment.known.shape[2] >= most:
        return segment
    starts_finished = not bool(segment.mask[:, :, 0].any())
    if not starts_finished:
        return _led(segment, segment.known[:, :, :1], torch.ones_like(segment.mask[:, :, :1]))
    if not support.by_frame or first is None:
        return segment
    return _led(segment, first.to(segment.known), torch.zeros_like(segment.mask[:, :, :1]))


def _led(segment: Segment, latent: Latent, mask: SamplingMask) -> Segment:
    return replace(
        segment,
        start=segment.start - 1,
        known=torch.cat([latent, segment.known], dim=2),
        mask=torch.cat([mask, segment.mask], dim=2),
    )
