"""The sound of a video, in memory or streamed. Axes: c channels, n samples."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import av
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import MediaError, check_range

Samples = Float[Tensor, "c n"]
"""Sound in [-1, 1]."""

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
MIN_RATE, MAX_RATE = 8_000, 96_000


@dataclass(frozen=True, slots=True)
class Audio:
    """Samples in [-1, 1] at `rate` samples a second."""

    samples: Samples
    rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.shape[0] not in LAYOUTS:
            shape = tuple(self.samples.shape)
            raise MediaError(f"sound of shape {shape}: give 1, 2 or 6 channels x samples")
        check_range("sound rate", self.rate, MIN_RATE, MAX_RATE, MediaError, "Hz")

    @property
    def layout(self) -> str:
        return LAYOUTS[self.samples.shape[0]]

    def during(self, start: Fraction, end: Fraction) -> av.AudioFrame | None:
        """The sound from `start` to `end` seconds; None after its end.

        Adjacent spans share no sample and leave none out.
        """
        first, last = round(start * self.rate), round(end * self.rate)
        return _frame(self.samples[:, first:last], self.rate, first)


class AudioTrack:
    """Sound that is produced while it is read, once, from its start to its end."""

    def __init__(self, chunks: Iterable[Samples], rate: int, channels: int) -> None:
        self.rate, self.channels = rate, channels
        self.chunks, self.ready = iter(chunks), torch.empty(channels, 0)
        self.taken = 0

    @property
    def layout(self) -> str:
        return LAYOUTS[self.channels]

    def take(self, count: int) -> Samples:
        """The next `count` samples; fewer at its end."""
        parts, ready = [self.ready], self.ready.shape[1]
        while ready < count and (chunk := next(self.chunks, None)) is not None:
            parts.append(chunk)
            ready += chunk.shape[1]
        whole = torch.cat(parts, dim=1)
        taken, self.ready = whole[:, :count], whole[:, count:]
        self.taken += taken.shape[1]
        return taken

    def during(self, start: Fraction, end: Fraction) -> av.AudioFrame | None:
        """The sound from `start`, where the last span ended, to `end` seconds; None after it."""
        first = self.taken
        return _frame(self.take(round(end * self.rate) - first), self.rate, first)


def _frame(samples: Samples, rate: int, first: int) -> av.AudioFrame | None:
    span = samples.float().cpu().contiguous().numpy()
    if not span.size:
        return None
    frame = av.AudioFrame.from_ndarray(span, format="fltp", layout=LAYOUTS[len(span)])
    frame.sample_rate, frame.pts = rate, first
    frame.time_base = Fraction(1, rate)
    return frame
