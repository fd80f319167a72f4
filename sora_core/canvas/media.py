"""Footage before it is placed: its size, its rate and how long it lasts.

Axes: t frames, y rows, x columns.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..video.probe import duration_of, probe
from ..video.reader import read_alpha
from .canvas import Canvas, Placement

ALPHA_SIDE = 512  # pixels of the longer side of a mask: finer than the cells of any latent


@dataclass(frozen=True, kw_only=True, slots=True)
class Media:
    """Footage to place on a canvas, with its size, frame rate and length."""

    placement: Placement
    width: int
    height: int
    fps: float
    seconds: float
    has_alpha: bool = False  # then it is open where it is transparent

    def frames(self, fps: float) -> int:
        """How many frames of a canvas at `fps` it fills."""
        return max(1, round(self.seconds * fps))

    def canvas(self, like: Canvas | None) -> Canvas:
        """An empty canvas of its size, rate and length, or `like` at its length.

        The placements and prompts of `like` stay on it.
        """
        if like is None:
            like = Canvas(width=self.width, height=self.height, fps=self.fps)
        return canvas_of_frames(like, self.frames(like.fps))

    def first(self, seconds: float) -> "Media":
        """Its beginning; all of it where it is no longer, or for 0 seconds."""
        return replace(self, seconds=min(seconds or self.seconds, self.seconds))

    def last(self, seconds: float) -> "Media":
        """Its end; all of it where it is no longer, or for 0 seconds."""
        shortened = self.first(seconds)
        skip = self.placement.skip + self.seconds - shortened.seconds
        return replace(shortened, placement=replace(self.placement, skip=skip))

    def on(self, canvas: Canvas, fit: str = "pad") -> Placement:
        """All of it from the start of `canvas`, in whole frames."""
        frames = self.frames(canvas.fps)
        mask = self.transparency(canvas.fps, self.placement.skip, frames)
        return replace(self.placement, seconds=frames / canvas.fps, fit=fit, mask=mask)

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
    )
