"""Long videos link by link: each is painted around what the links before it have left.

Axes: b c t y x, as in shapes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError
from ..shapes import Latent
from .drift import SegmentAnchor, Statistics, closest_segment
from .inpaint import SamplingMask


@dataclass(frozen=True, slots=True)
class SegmentSettings:
    """How a long video is painted in links.

    Each link sees the `history` latent frames next to it that are painted already, as `firmness`
    says: at 1 as they are, below it noised a little and painted over, which hides their faults.
    `anchor` from 0 to 1 is how far the statistics of each link are brought back to those of the
    first that was told the same.
    """

    history: int = 2
    firmness: float = 1.0
    anchor: float = 0.75

    def __post_init__(self) -> None:
        if self.history < 1:
            raise ConfigError(f"history of {self.history} latent frames: choose 1 or more")
        for name in ("firmness", "anchor"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} {getattr(self, name)} of a chain: choose from 0 to 1")


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a video to be painted: `index` of `total`, from latent frame `start` on, around
    `known` as far as `mask` leaves it. The earlier part that was told most of the same was
    `reference` this, and was told that `overlap` of it."""

    index: int
    total: int
    start: int
    known: Latent
    mask: SamplingMask
    reference: Statistics | None = None
    overlap: float = 1.0

    @property
    def frames(self) -> slice:
        return slice(self.start, self.start + self.known.shape[2])


def generate_segments(
    generate: Callable[[Segment], Latent],
    known: Latent,
    mask: SamplingMask,
    length: int,
    settings: SegmentSettings,
    weights: Float[Tensor, "p t"] | None = None,
) -> Latent:
    """A latent of any length made of links of `length` latent frames.

    `weights` say how much each prompt counts in each of them; without, one prompt is all there is.
    From the start on; or from the end back, where footage lies at the end and none at the start.
    What `mask` keeps stays exactly as it is, and a link that is kept whole is not painted.
    """
    frames = known.shape[2]
    if frames > length and settings.history >= length:
        raise ConfigError(f"history {settings.history} of links of {length}: choose fewer")
    starts = segment_starts(frames, length, settings.history)
    touched = (mask < 1).expand(-1, -1, frames, -1, -1)
    if touched[:, :, -1].any() and not touched[:, :, 0].any():
        starts = [max(0, frames - length - start) for start in starts]
    latent, generated = known.clone(), torch.zeros(frames, dtype=torch.bool)
    mask = mask.expand(-1, -1, frames, -1, -1)
    prompt_weights = known.new_ones(1, frames) if weights is None else weights
    anchors: list[SegmentAnchor] = []
    for index, start in enumerate(starts):
        here = slice(start, start + length)
        over = generated[here, None, None] & (mask[:, :, here] > 0)
        opened = torch.where(over, 1 - settings.firmness, mask[:, :, here])
        prompts = prompt_weights[:, here].mean(1)
        reference, overlap = closest_segment(anchors, prompts)
        segment = Segment(index, len(starts), start, latent[:, :, here], opened, reference, overlap)
        if opened.any():
            latent[:, :, here] = generate(segment)
        generated[here] = True
        anchors.append(SegmentAnchor(Statistics.from_latent(latent[:, :, here]), prompts))
    return latent


def segment_starts(frames: int, length: int, history: int) -> list[int]:
    """Where links begin, each `history` frames before the end of the one before; the last ends with
    the video and may see more."""
    if frames <= length:
        return [0]
    step = length - history
    return [*range(0, frames - length, step), frames - length]
