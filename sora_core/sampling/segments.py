"""Long videos segment by segment: each is generated around the frames of the segments before it.

Axes: b c t y x, as in shapes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError, check_range
from ..shapes import Latent
from .drift import SAME_OVERLAP, SegmentAnchor, Statistics, closest_segment
from .inpaint import SamplingMask


@dataclass(frozen=True, slots=True)
class SegmentSettings:
    """How a long video is generated in segments.

    `history`, at least 1: how many finished latent frames each segment shares with the one before.
    `firmness` in [0, 1]: 1 holds these frames exactly; below 1 they are noised to a level of
    1 - firmness and denoised again, which hides their faults. `anchor` in [0, 1]: how far the
    channel statistics of a segment are pulled to those of the first with the same prompts: mean
    and standard deviation of each channel, or with `covariance` mean and covariance of all channels
    (`seams/covariance.py`), and that first one to those of its footage, if this is half of it.
    """

    history: int = 2
    firmness: float = 1.0
    anchor: float = 0.75
    covariance: bool = False

    def __post_init__(self) -> None:
        check_range("history", self.history, 1)
        check_range("firmness of segments", self.firmness, 0, 1)
        check_range("anchor", self.anchor, 0, 1)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a video to be generated: number `index` in [0, total), from latent frame `start`.

    `known` and `mask` hold its footage and finished frames. `reference` holds the channel
    statistics of the earlier segment whose prompts overlap this one's most, or of its own footage;
    `overlap` in [0, 1] is by how much, 1 for own footage.
    """

    index: int
    total: int
    start: int
    known: Latent
    mask: SamplingMask
    reference: Statistics | None = None
    overlap: float = 1.0

    @property
    def continues_scene(self) -> bool:
        """Whether its reference is of the same prompts, so that it is anchored to it fully."""
        return self.reference is not None and self.overlap > 1 - SAME_OVERLAP

    @property
    def frames(self) -> slice:
        """Its latent frames in the whole video."""
        return slice(self.start, self.start + self.known.shape[2])

    def step_of_all(self, step: int, steps: int) -> tuple[int, int]:
        """The number of a `step` of this segment, of `steps`, among those of all segments, and how
        many these are."""
        return self.index * steps + step, self.total * steps


def generate_segments(
    generate: Callable[[Segment], Latent],
    known: Latent,
    mask: SamplingMask,
    length: int,
    settings: SegmentSettings,
    weights: Float[Tensor, "p t"] | None = None,
) -> Latent:
    """A latent of any length, generated in segments of `length` latent frames.

    `weights` are those of each prompt in each latent frame; None stands for a single prompt.
    Segments are generated from the start on, or from the end back where footage lies in the last
    latent frame and none in the first. Cells with mask 0 stay exactly as in `known`, and a segment
    of such cells alone is not generated. ConfigError where `settings.history` is not below
    `length`.
    """
    frames = known.shape[2]
    mask = mask.expand(-1, -1, frames, -1, -1)
    if frames > length and settings.history >= length:
        raise ConfigError(
            f"history {settings.history} of segments of {length} latent frames: choose fewer"
        )
    starts = segment_starts(frames, length, settings.history)
    if is_backward(mask):
        starts = [max(0, frames - length - start) for start in starts]
    latent, generated = known.clone(), torch.zeros(frames, dtype=torch.bool)
    prompt_weights = known.new_ones(1, frames) if weights is None else weights
    anchors: list[SegmentAnchor] = []
    for index, start in enumerate(starts):
        here = slice(start, start + length)
        over = generated[here, None, None] & (mask[:, :, here] > 0)
        opened = torch.where(over, 1 - settings.firmness, mask[:, :, here])
        prompts = prompt_weights[:, here].mean(1)
        reference, overlap = closest_segment(anchors, prompts)
        if reference is None and settings.covariance:
            reference = footage_statistics(known[:, :, here], mask[:, :, here])
            overlap = float(reference is not None)
        segment = Segment(index, len(starts), start, latent[:, :, here], opened, reference, overlap)
        if opened.any():
            latent[:, :, here] = generate(segment)
        generated[here] = True
        anchors.append(SegmentAnchor(Statistics.from_latent(latent[:, :, here]), prompts))
    return latent


def footage_statistics(known: Latent, mask: SamplingMask) -> Statistics | None:
    """The channel statistics of the footage of a segment: of its latent frames that `mask` closes.

    None where these are fewer than half of the segment: a still has others than a video.
    """
    closed = mask.amax(dim=(0, 1, 3, 4)) == 0
    if 2 * int(closed.sum()) < known.shape[2]:
        return None
    return Statistics.from_latent(known[:, :, closed])


def is_backward(mask: SamplingMask) -> bool:
    """Whether a video with this mask is generated from the end back.

    So it is where footage lies in the last latent frame and none in the first.
    """
    first, last = mask[:, :, 0], mask[:, :, -1]
    return bool((last < 1).any()) and not bool((first < 1).any())


def segment_starts(frames: int, length: int, history: int) -> list[int]:
    """First frames of the segments: each begins `history` frames before the end of the previous.

    The last ends with the video, and may overlap more.
    """
    if frames <= length:
        return [0]
    step = length - history
    return [*range(0, frames - length, step), frames - length]
