"""The sound of a video. Axes: c channels, n samples."""

from dataclasses import dataclass
from fractions import Fraction

import av
from jaxtyping import Float
from torch import Tensor

from ..errors import MediaError

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
MIN_RATE, MAX_RATE = 8_000, 96_000


@dataclass(frozen=True, slots=True)
class Audio:
    """Samples in [-1, 1] at `rate` samples a second."""

    samples: Float[Tensor, "c n"]
    rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.shape[0] not in LAYOUTS:
            shape = tuple(self.samples.shape)
            raise MediaError(f"sound of shape {shape}: give 1, 2 or 6 channels x samples")
        if not MIN_RATE <= self.rate <= MAX_RATE:
            raise MediaError(f"sound at {self.rate} Hz: choose from {MIN_RATE} to {MAX_RATE} Hz")

    @property
    def layout(self) -> str:
        return LAYOUTS[self.samples.shape[0]]

    def during(self, start: Fraction, end: Fraction) -> av.AudioFrame | None:
        """The sound from `start` to `end` seconds; None after its end.

        Adjacent spans share no sample and leave none out.
        """
        first, last = round(start * self.rate), round(end * self.rate)
        span = self.samples[:, first:last].float().cpu().contiguous().numpy()
        if not span.size:
            return None
        frame = av.AudioFrame.from_ndarray(span, format="fltp", layout=self.layout)
        frame.sample_rate, frame.pts = self.rate, first
        frame.time_base = Fraction(1, self.rate)
        return frame
