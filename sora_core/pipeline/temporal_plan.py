"""How a model that takes a few latent frames at a time generates any number of them.

Axes: b c t y x, as in shapes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from ..sampling.loop import loop_denoiser_at
from ..sampling.samplers import Denoise, Sigma
from ..sampling.windows import Windows
from ..shapes import Grid, Latent

OVERLAP = 2  # latent frames that neighbouring windows share
RING_CUTS = 2  # of a loop longer than a window: more cost as much again each

Predict = Callable[[Latent, Sigma, int, int], Latent]
"""A call of the model: the clean latent of a few frames `x` at their noise levels.

The third argument is the index of the first of these frames in the whole video; the fourth is its
position in time for the model. Both increase by 1 per frame; on a ring the index wraps after the
last frame.
"""


@dataclass(frozen=True, slots=True)
class TemporalPlan:
    """How the latent frames of `whole` are split among calls of a model.

    A video that is longer than a window is generated in segments if `in_segments`, each continuing
    the one before; else, and where it is a `ring`, in windows that are denoised jointly.
    """

    whole: Grid
    windows: Windows
    ring: bool
    in_segments: bool
    cut_everywhere: bool  # whether a ring of one window is cut open at each of its frames
    ring_place: int = 0  # the frame number of the first latent frame of a ring that is cut open
    remark: str = ""  # on the length of a window, for the user

    @property
    def window(self) -> Grid:
        """The grid of one model call."""
        return replace(self.whole, frames=self.windows.length)

    @property
    def is_long(self) -> bool:
        return self.whole.frames > self.windows.length

    @property
    def segmented(self) -> bool:
        return self.is_long and self.in_segments and not self.ring

    @property
    def segment_frames(self) -> int:
        """Latent frames that are sampled together."""
        return self.windows.length if self.segmented else self.whole.frames

    @property
    def resumable(self) -> bool:
        """Whether a step is more than one call of the model: so long that a stop would hurt."""
        return self.is_long or self.ring

    @property
    def cuts(self) -> tuple[int, int]:
        """At how many frames a ring is cut open, and by how many frames each line exceeds it."""
        period = self.whole.frames
        if self.cut_everywhere and not self.is_long:
            return period, 1
        return min(RING_CUTS, period), self.windows.overlap if self.is_long else 1

    @property
    def summary(self) -> list[str]:
        """Sentences for the user; none for what the model takes in one call."""
        parts = []
        if self.ring:
            parts.append(f"Each step of a loop calls the model {self.cuts[0]} times.")
        if self.is_long:
            method = (
                "segments, each continuing the one before"
                if self.segmented
                else "overlapping windows, jointly at each step"
            )
            length, frames = self.windows.length, self.whole.frames
            parts.append(f"Sampled in {method}: {length} of {frames} latent frames at a time.")
        if self.remark:
            parts.append(self.remark)
        return parts

    def denoiser(self, predict: Predict, start: int = 0) -> Denoise:
        """A denoiser of all that is sampled together from latent frame `start` on."""
        if not self.ring:
            return self._line(predict, start, start)
        cuts, context = self.cuts
        line = partial(self._line, predict, place=self.ring_place)
        return loop_denoiser_at(line, self.whole.frames, cuts, context)

    def _line(self, predict: Predict, frame: int, place: int) -> Denoise:
        """A denoiser of frames in a row from `frame` on, which the model takes to be at `place`."""

        def at(i: int) -> Denoise:
            return lambda x, sigma: predict(x, sigma, frame + i, place + i)

        # A short ring that is cut open is a little longer than a window, and still one call.
        return at(0) if self.ring and not self.is_long else self.windows.denoiser(at)
