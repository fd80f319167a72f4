"""Footage on a canvas, counted in the latent frames of a compression.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from einops import repeat
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d

from ..models.patchify import LATENT_PATCH
from ..shapes import Compression, Grid
from .canvas import Canvas, Placement
from .rasterize import Fitting, first_frame

Openness = Float[Tensor, "y x"]
"""For each latent cell, from 0 (keep the footage) to 1 (no footage, or ignore it)."""


@dataclass(frozen=True, slots=True)
class PlacedFootage:
    """`placement` on `canvas`, whose latent compresses by `compression`."""

    canvas: Canvas
    placement: Placement
    compression: Compression

    @property
    def grid(self) -> Grid:
        return self.canvas.grid(self.compression)

    @property
    def first_frame(self) -> int:
        """The first frame of the canvas that shows it."""
        return first_frame(self.canvas, self.placement)

    @property
    def first_latent_frame(self) -> int:
        return self.canvas.latent_frame(self.first_frame, self.compression)

    def fitting(self, height: int, width: int) -> Fitting:
        """How pictures of `height` x `width` lie in the picture that the latent covers."""
        _, rows, columns = self.compression.covered(self.grid)
        return Fitting.of_placement(self.canvas, self.placement, (height, width), (rows, columns))

    def firmness(self, frames: Iterable[int]) -> float:
        """The least firmness in `frames`, counted from its first frame on the canvas."""
        hidden = 0
        if not self.canvas.ring:
            hidden = max(0, self.canvas.frame_at(-self.placement.start))
        seconds = ((frame + hidden) / self.canvas.fps for frame in frames)
        return min(map(self.placement.firmness_at, seconds))

    def openness(self, fitting: Fitting) -> Callable[[list[int]], Openness]:
        """A function: the most open state of each cell in some frames, counted from its first.

        A mask that does not change is fitted once.
        """
        mask = self.placement.mask
        if mask is None or len(mask) == 1:
            still = in_tokens(fitting.openness(mask), self.grid)[0]
            return lambda frames: 1 - self.firmness(frames) * (1 - still)
        last = len(mask) - 1

        def changing(frames: list[int]) -> Openness:
            fitted = fitting.openness(mask[[min(frame, last) for frame in frames]])
            return 1 - self.firmness(frames) * (1 - in_tokens(fitted, self.grid).amax(0))

        return changing

    def is_known(self, latent_frame: int, count: int) -> bool:
        """Whether `count` frames of footage stand for a latent frame.

        They do where they cover all of its frames. Where they cover no latent frame at all, they
        stand for the one that holds their middle.
        """
        begin, end = self.first_frame, self.first_frame + count
        low, middle, high = (
            self.canvas.latent_frame(frame, self.compression)
            for frame in (begin, (begin + end - 1) // 2, end - 1)
        )
        if low <= latent_frame <= high and self.covers(latent_frame, count):
            return True
        return latent_frame == middle and not any(
            self.covers(j, count) for j in range(low, high + 1)
        )

    def covers(self, latent_frame: int, count: int) -> bool:
        """Whether `count` frames of footage cover all frames of a latent frame.

        Frames past the end of the canvas need no footage.
        """
        canvas, begin, end = self.canvas, self.first_frame, self.first_frame + count
        if not canvas.ring and end >= canvas.size.frames:
            end += self.compression.time
        frames = canvas.frames_of(latent_frame, self.compression)
        return begin <= frames.start and frames.stop <= end


def in_tokens(openness: Float[Tensor, "t y2 x2"], grid: Grid) -> Float[Tensor, "t y x"]:
    """In each cell the most open pixel of its token."""
    tokens = adaptive_max_pool2d(
        openness.float(), (grid.rows // LATENT_PATCH, grid.columns // LATENT_PATCH)
    )
    return repeat(tokens, "t y x -> t (y i) (x j)", i=LATENT_PATCH, j=LATENT_PATCH)
