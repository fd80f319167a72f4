"""Sizes of videos and latents, and the arithmetic between them.

Axes, here and everywhere: b batch, c channels, t frames, y rows, x columns, n tokens, d width, h
heads, k head width, p packed row.
"""

import math
import re
from argparse import ArgumentTypeError
from dataclasses import dataclass

from jaxtyping import Float, UInt8
from torch import Tensor

from .errors import SizeError, check_range

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
    """The size of a video in pixels and frames; SizeError outside the supported range."""

    width: int
    height: int
    frames: int = 1

    def __post_init__(self) -> None:
        for name, side in (("width", self.width), ("height", self.height)):
            check_range(name, side, MIN_SIDE, MAX_SIDE, SizeError, "px")
        check_range("frames", self.frames, 1, MAX_FRAMES, SizeError)

    @classmethod
    def of_duration(cls, width: int, height: int, seconds: float, fps: float) -> "Size":
        """The size of a video of `seconds` at `fps`; 0 seconds is a single frame.

        SizeError for an fps outside (0, 240], a negative duration, and more than MAX_FRAMES frames.
        """
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
    """Width and height from the argument `WIDTHxHEIGHT`; ArgumentTypeError for other text."""
    found = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", text)
    if not found:
        raise ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, such as 64x64")
    return int(found[1]), int(found[2])


@dataclass(frozen=True, slots=True)
class Grid:
    """The size of a latent in cells: frames, rows and columns."""

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
    """Frames, rows and columns of pixels in a latent cell; the first latent frame is one frame."""

    time: int = 4
    rows: int = 8
    columns: int = 8

    def latent_frames(self, frames: int) -> int:
        """The fewest latent frames that cover `frames`."""
        return 1 + math.ceil((frames - 1) / self.time)

    def pixel_frames(self, latent_frames: int) -> int:
        """The number of frames to which `latent_frames` decode."""
        return 1 + (latent_frames - 1) * self.time

    def grid(self, size: Size, patch: int = 2) -> Grid:
        """The smallest grid that covers `size`, with rows and columns that `patch` divides."""
        return Grid(
            self.latent_frames(size.frames),
            patch * math.ceil(size.height / (self.rows * patch)),
            patch * math.ceil(size.width / (self.columns * patch)),
        )

    def covered(self, grid: Grid) -> tuple[int, int, int]:
        """Frames, rows and columns of pixels to which `grid` decodes."""
        return self.pixel_frames(grid.frames), grid.rows * self.rows, grid.columns * self.columns


COMPRESSION = Compression()


def crop(video: Float[Tensor, "*bc t y x"], size: Size) -> Float[Tensor, "*bc t2 y2 x2"]:
    """A view of the first frames and the centre of `video`; SizeError if it is below `size`."""
    top = (video.shape[-2] - size.height) // 2
    left = (video.shape[-1] - size.width) // 2
    if top < 0 or left < 0 or video.shape[-3] < size.frames:
        have = "x".join(str(side) for side in (video.shape[-1], video.shape[-2], video.shape[-3]))
        raise SizeError(
            f"cannot crop {have} to {size.width}x{size.height}x{size.frames}: too small"
        )
    return video[..., : size.frames, top : top + size.height, left : left + size.width]
