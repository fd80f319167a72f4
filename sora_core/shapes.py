"""Sizes of videos and of their latents, and all the arithmetic between them.

Axes, here and everywhere: b batch, c channels, t frames, y rows, x columns, n tokens, d width, h
heads, k head width, p packed row.
"""

import math
import re
from argparse import ArgumentTypeError
from dataclasses import dataclass

from jaxtyping import Float, UInt8
from torch import Tensor

from .errors import SizeError

Latent = Float[Tensor, "b c t y x"]
"""A compressed video, normalised per channel: about zero mean and unit deviation."""

Mask = Float[Tensor, "#b 1 #t #y #x"]
"""For each latent cell, from 0 (known: as it was encoded) to 1 (generated freely)."""

Video = Float[Tensor, "b 3 t2 y2 x2"]  # not the axes of its latent
"""Pixels in [-1, 1], red, green, blue."""

Frames = UInt8[Tensor, "t y x 3"]
"""Pixels in [0, 255], as files and screens hold them."""

MIN_SIDE, MAX_SIDE = 16, 4096
MAX_FRAMES = 3600


@dataclass(frozen=True, slots=True)
class Size:
    """A video in pixels and frames."""

    width: int
    height: int
    frames: int = 1

    def __post_init__(self) -> None:
        for name, side in (("width", self.width), ("height", self.height)):
            if not MIN_SIDE <= side <= MAX_SIDE:
                raise SizeError(f"{name} {side} px: choose from {MIN_SIDE} to {MAX_SIDE} px")
        if not 1 <= self.frames <= MAX_FRAMES:
            raise SizeError(f"{self.frames} frames: choose from 1 to {MAX_FRAMES} frames")

    @classmethod
    def lasting(cls, width: int, height: int, seconds: float, fps: float) -> "Size":
        """The size of a video of `seconds` at `fps`; 0 seconds is a single image."""
        if not (math.isfinite(fps) and 0 < fps <= 240):
            raise SizeError(f"fps {fps}: choose a frame rate above 0 and at most 240")
        if not (math.isfinite(seconds) and seconds >= 0):
            raise SizeError(f"seconds {seconds}: choose a duration of 0 or more")
        frames = max(1, round(seconds * fps))
        if frames > MAX_FRAMES:
            raise SizeError(
                f"{seconds:g} s at {fps:g} fps are {frames} frames: choose at most "
                f"{MAX_FRAMES / fps:g} s, or a lower fps"
            )
        return cls(width, height, frames)


def sides(text: str) -> tuple[int, int]:
    """The width and height that a command line's `WIDTHxHEIGHT` states."""
    found = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", text)
    if not found:
        raise ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, such as 64x64")
    return int(found[1]), int(found[2])


@dataclass(frozen=True, slots=True)
class Grid:
    """A latent in cells: frames, rows and columns."""

    frames: int
    rows: int
    columns: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.frames, self.rows, self.columns

    @property
    def cells(self) -> int:
        return self.frames * self.rows * self.columns


@dataclass(frozen=True, slots=True)
class Compression:
    """How many frames, rows and columns a latent cell stands for; the first frame stands alone."""

    time: int = 4
    rows: int = 8
    columns: int = 8

    def latent_frames(self, frames: int) -> int:
        """The fewest latent frames that cover `frames`."""
        return 1 + math.ceil((frames - 1) / self.time)

    def pixel_frames(self, latent_frames: int) -> int:
        return 1 + (latent_frames - 1) * self.time

    def grid(self, size: Size, patch: int = 2) -> Grid:
        """The smallest grid that covers `size`, its sides whole numbers of `patch` cells."""
        return Grid(
            self.latent_frames(size.frames),
            patch * math.ceil(size.height / (self.rows * patch)),
            patch * math.ceil(size.width / (self.columns * patch)),
        )

    def covered(self, grid: Grid) -> tuple[int, int, int]:
        """Frames, rows and columns of pixels that `grid` decodes to."""
        return self.pixel_frames(grid.frames), grid.rows * self.rows, grid.columns * self.columns


COMPRESSION = Compression()


def crop(video: Float[Tensor, "*bc t y x"], size: Size) -> Float[Tensor, "*bc t2 y2 x2"]:
    """The first frames and the centre of `video`, exactly `size`; a view, not a copy."""
    top = (video.shape[-2] - size.height) // 2
    left = (video.shape[-1] - size.width) // 2
    if top < 0 or left < 0 or video.shape[-3] < size.frames:
        have = "x".join(str(side) for side in (video.shape[-1], video.shape[-2], video.shape[-3]))
        raise SizeError(
            f"cannot crop {have} to {size.width}x{size.height}x{size.frames}: too small"
        )
    return video[..., : size.frames, top : top + size.height, left : left + size.width]
