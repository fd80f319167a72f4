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

from dataclasses import dataclass, replace

import torch

from ....sora_core.sampling.inpaint import SamplingMask
from ....sora_core.sampling.segments import Segment, SegmentSettings, is_backward
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

    `mask` is that of the whole video.
    """
    leads = support.by_frame or is_backward(mask)
    return max(settings.history + 1, length - 1) if leads else length


@dataclass(slots=True)
class LeadFrame:
    """Puts a latent frame before each segment that needs one.

    A call of the model has at most `most` latent frames. `first` is the finished first latent frame
    of the whole video, b c 1 y x; None until there is one.
    """

    support: ConditioningSupport
    most: int
    first: Latent | None = None
    has_reference: bool = False  # each call begins with a reference frame, as Wan Animate's do

    def note(self, segment: Segment, latent: Latent) -> None:
        """Keeps the first latent frame of the video from the finished `latent` of `segment`."""
        if segment.start == 0:
            self.first = latent[:, :, :1]

    def before(self, segment: Segment) -> Segment:
        """`segment`, with a lead frame where the model needs one."""
        if segment.start == 0 or segment.known.shape[2] >= self.most:
            return segment
        if segment.mask[:, :, 0].any():  # nothing is finished there: any content will do
            return with_frame_before(segment, segment.known[:, :, :1], 1.0)
        if self.support.by_frame and self.first is not None and not self.has_reference:
            return with_frame_before(segment, self.first.to(segment.known), 0.0)
        return segment


def with_frame_before(segment: Segment, latent: Latent, openness: float) -> Segment:
    """`segment` with the latent frame `latent` before it; `openness` 0 holds it, 1 opens it."""
    mask = torch.full_like(segment.mask[:, :, :1], openness)
    return replace(
        segment,
        start=segment.start - 1,
        known=torch.cat([latent, segment.known], dim=2),
        mask=torch.cat([mask, segment.mask], dim=2),
    )
