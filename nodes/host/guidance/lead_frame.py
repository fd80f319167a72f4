"""One latent frame more before a later segment of a long video, since a video begins with one.

The first latent frame of a clip stands for one frame, any later one for several. A segment that
begins within a video has none that stands for one. So the model gets a latent frame before it, and
what it predicts there is dropped. The host's context windows do the same ("causal_window_fix").

Where the segment begins with finished frames they are dropped anyway, as the first of them is by
LTX's own extension (Lightricks/ComfyUI-LTXVideo#239). Wan image to video was trained on one still
at the start: there the first latent frame of the whole video leads, then the finished ones, as in
the layout of SVI 2 (vita-epfl/Stable-Video-Infinity#75). VACE is given a longer overlap instead:
8 to 16 frames (ali-vilab/VACE#27). Axes: b batch, c channels, t latent frames, y x cells.
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
    """Latent frames of a segment where the model sees `length`: one less if one leads.

    `mask` is that of the whole video, which is generated from its end where only that is known.
    """
    known = (mask < 1).flatten(3).any(3)[0, 0]
    backward = bool(known[-1]) and not bool(known[0])
    leads = support.by_frame or backward
    return max(settings.history + 1, length - 1) if leads else length


def with_lead(
    segment: Segment, support: ConditioningSupport, first: Latent | None, most: int
) -> Segment:
    """`segment`, perhaps with a latent frame before it that is to be dropped.

    `first` is the finished first latent frame of the whole video, if there is one. The model sees
    at most `most` latent frames.
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
