"""Footage before it is placed: its size, its rate, how long it lasts, and masks of its frames.

Axes: t frames, y rows, x columns, n file frames, m moments.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import ConfigError
from ..video.probe import duration_of, probe
from ..video.reader import read_alpha, read_times
from .canvas import Canvas, Placement

ALPHA_SIDE = 512  # pixels of the longer side of a mask: finer than the cells of any latent
ROUNDING = 1e-6  # seconds: times are sums of fractions


@dataclass(frozen=True, kw_only=True, slots=True)
class Media:
    """Footage to place on a canvas, with its size, frame rate and length.

    An edit of it has its size and rate, or those of the canvas `like`, whose placements and prompts
    stay. `fit` is how it fills a region of another shape. `notes` are sentences about what its file
    does not name, and about what is not shown as the file asks.
    """

    placement: Placement
    width: int
    height: int
    fps: float
    seconds: float
    has_alpha: bool = False  # then it is open where it is transparent
    fit: str = "pad"
    like: Canvas | None = None
    notes: tuple[str, ...] = ()

    def frames(self, fps: float) -> int:
        """How many frames of a canvas at `fps` it fills."""
        return max(1, round(self.seconds * fps))

    def canvas(self) -> Canvas:
        """An empty canvas of its size, rate and length, or `like` at its length."""
        like = self.like or Canvas(width=self.width, height=self.height, fps=self.fps)
        return canvas_of_frames(like, self.frames(like.fps))

    def first(self, seconds: float) -> "Media":
        """Its beginning; all of it where it is no longer, or for 0 seconds."""
        return replace(self, seconds=min(seconds or self.seconds, self.seconds))

    def last(self, seconds: float) -> "Media":
        """Its end; all of it where it is no longer, or for 0 seconds."""
        shortened = self.first(seconds)
        skip = self.placement.skip + self.seconds - shortened.seconds
        return replace(shortened, placement=replace(self.placement, skip=skip))

    def on(self, canvas: Canvas) -> Placement:
        """All of it from the start of `canvas`, in whole frames."""
        frames = self.frames(canvas.fps)
        mask = self.transparency(canvas.fps, self.placement.skip, frames)
        return replace(self.placement, seconds=frames / canvas.fps, fit=self.fit, mask=mask)

    def transparency(self, rate: float, skip: float, frames: int) -> Float[Tensor, "t y x"] | None:
        """The transparency in [0, 1] of `frames` pictures at `rate` from `skip` seconds on.

        None if all of them are opaque.
        """
        source = self.placement.source
        if not self.has_alpha or isinstance(source, Tensor):
            return None
        shrink = min(1.0, ALPHA_SIDE / max(self.width, self.height))
        size = max(1, round(self.width * shrink)), max(1, round(self.height * shrink))
        chunks = read_alpha(source, start=skip, seconds=frames / rate, fps=rate, size=size)
        mask = 1 - torch.cat(list(chunks)).float() / 255
        return mask if bool(mask.any()) else None

    def mask_frames(
        self, mask: Float[Tensor, "*t y x"], rate: float, skip: float, frames: int
    ) -> Float[Tensor, "t2 y x"]:
        """`mask` with a picture for each of `frames` at `rate`, from `skip` seconds on.

        A mask of one picture is returned unchanged. Others have a picture for each frame of its
        file, at the time of that frame, or for each frame counted at its own rate or at `rate`.
        ConfigError for any other count.
        """
        mask = rearrange(mask, "... y x -> (...) y x")
        if len(mask) == 1:
            return mask
        moments = skip + torch.arange(frames, dtype=torch.float64) / rate
        source = self.placement.source
        times = [] if isinstance(source, Tensor) else read_times(source)
        if len(mask) == len(times):
            return mask[_nearest(torch.tensor([float(time) for time in times]), moments)]
        for fps in (self.fps, rate):
            if len(mask) == self.frames(fps):
                return mask[(moments * fps).round().long().clamp(max=len(mask) - 1)]
        count = len(times) or self.frames(self.fps)
        raise ConfigError(
            f"mask of {len(mask)} pictures for footage of {count} frames: give 1, or one for each "
            "frame"
        )


def most_open(
    transparent: Float[Tensor, "t y x"] | None, mask: Float[Tensor, "t2 y2 x2"]
) -> Float[Tensor, "t3 y2 x2"]:
    """The maximum of two masks of the same footage; the last picture of the shorter repeats."""
    if transparent is None:
        return mask
    sized = interpolate(transparent[:, None], mask.shape[1:], mode="bilinear")[:, 0]
    frames = max(len(sized), len(mask))
    sized, mask = (
        torch.cat([part, part[-1:].expand(frames - len(part), -1, -1)]) for part in (sized, mask)
    )
    return torch.maximum(sized, mask.to(sized))


def _nearest(times: Float[Tensor, " n"], moments: Float[Tensor, " m"]) -> Int[Tensor, " m"]:
    """The index of the time nearest to each moment; of two equally near, the earlier."""
    after = torch.searchsorted(times.to(moments), moments).clamp(max=len(times) - 1)
    before = (after - 1).clamp(min=0)
    nearer = (moments - times[before]).abs() <= (times[after] - moments).abs() + ROUNDING
    return torch.where(nearer, before, after)


def canvas_of_frames(canvas: Canvas, frames: int) -> Canvas:
    """`canvas` with a length of exactly `frames`."""
    return replace(canvas, seconds=frames / canvas.fps)


def read_media(path: Path) -> Media:
    """The video file at `path`; MediaError for any other file."""
    info = probe(path)
    for note in info.notes:
        logging.getLogger(__name__).info("%s: %s", path.name, note)
    return Media(
        placement=Placement(source=path),
        width=info.width,
        height=info.height,
        fps=float(info.fps),
        seconds=float(duration_of(path)),
        has_alpha=info.has_alpha,
        notes=info.notes,
    )
