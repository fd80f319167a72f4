"""The spacetime canvas: an empty video on which footage and prompts are placed.

It holds references alone; nothing is read before it is encoded. Axes: c channels, t frames, y rows,
x columns.
"""

import math
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError, SizeError, check_choice, check_range
from ..shapes import COMPRESSION, Compression, Grid, Size

ASPECTS = {"16:9": 16 / 9, "4:3": 4 / 3, "1:1": 1.0, "3:4": 3 / 4, "9:16": 9 / 16}
"""The shapes to choose from, as width over height."""

FITS = ("pad", "crop", "stretch")
"""How footage fits the shape of its region: whole, with the rest of the region open;
covering it, with the rest of the footage cropped; or distorted."""

MIN_SPEED, MAX_SPEED = 0.25, 4.0

Source = Path | BinaryIO | Tensor
"""A video file; or pictures `t y x 3`, as bytes or in [0, 1]; or a latent `1 c t y x`."""

Sound = tuple[Float[Tensor, "channels samples"], int]
"""Samples in [-1, 1], 1, 2 or 6 channels of them, and their number in a second."""

Curve = tuple[tuple[float, float], ...]
"""A value over time: points of (seconds, value), straight lines between, level beyond the ends."""


def curve_of(text: str) -> Curve:
    """The curve that `text` writes as "0: 1, 1.5: 0.3": seconds, and the value there."""
    try:
        pairs = [point.split(":") for point in re.split(r"[,;\n]", text) if point.strip()]
        return tuple((float(seconds), float(value)) for seconds, value in pairs)
    except ValueError as error:
        raise ConfigError(
            f'curve {text[:40]!a:.42}: write seconds and values, such as "0: 1, 1.5: 0.3"'
        ) from error


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the picture in pixels; it may reach beyond the picture."""

    left: int
    top: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise SizeError(f"a region of {self.width}x{self.height} px: both sides must be >= 1")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Placement:
    """Footage on a canvas: what, when, where and how firmly.

    `start` is in seconds of the canvas and may be negative: what lies before the canvas is cut.
    `skip` and `seconds` choose a part of the source; without `seconds` it lasts to its end.
    `firmness` is 1 to keep the footage, 0 to ignore it, and between to regenerate it from a noise
    level of 1 - firmness; a curve counts its seconds from `start`. `mask`, of any size, is 1 where
    the footage is open and 0 where it counts; one for all pictures or one for each. `fps` is the
    rate of pictures given as a tensor; None is the canvas' own. A file brings its own sound;
    `sound` is that of pictures, and begins with the first of them. At a `speed` of 2 footage and
    sound pass in half their time; `start` and `seconds` count as the canvas does, `skip` as the
    source. A latent is placed whole, on the latent frame that holds `start`.
    """

    source: Source
    start: float = 0.0
    skip: float = 0.0
    seconds: float | None = None
    region: Box | None = None
    fit: str = "pad"
    firmness: float | Curve = 1.0
    mask: Float[Tensor, "t y x"] | None = None
    fps: float | None = None
    sound: Sound | None = None
    speed: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (("start", -math.inf), ("skip", 0), ("seconds", 0), ("fps", 0)):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= least):
                raise SizeError(f"{name} {value} of a placement: choose a number, {least} or more")
        if self.seconds == 0 or self.fps == 0:
            raise SizeError("0 seconds or 0 fps of footage: choose more, or leave it unset")
        check_range("speed", self.speed, MIN_SPEED, MAX_SPEED, SizeError)
        check_choice("fit", self.fit, FITS)
        times = [seconds for seconds, _ in self.curve]
        if not times or any(later <= earlier for earlier, later in pairwise(times)):
            raise ConfigError("a firmness curve needs one point or more, at times that rise")
        if not all(0 <= value <= 1 for _, value in self.curve):
            raise ConfigError("firmness is out of range: choose from 0 (ignore) to 1 (keep)")
        if isinstance(self.source, Tensor):
            self._check_tensor(self.source)

    def _check_tensor(self, source: Tensor) -> None:
        shape = "x".join(map(str, source.shape))
        pictures = source.ndim == 4 and source.shape[-1] == 3
        if not (pictures or (self.is_latent and len(source) == 1)) or not source.numel():
            raise SizeError(f"footage of {shape}: give pictures t y x 3 or a latent 1 c t y x")
        parts = self.start < 0, self.region, self.skip, self.seconds, self.sound, self.speed != 1
        if self.is_latent and any(parts):
            raise ConfigError("a latent is placed whole: only start, firmness and mask may be set")

    @property
    def is_latent(self) -> bool:
        return isinstance(self.source, Tensor) and self.source.ndim == 5

    @property
    def curve(self) -> Curve:
        """The firmness over time; a constant is a curve of one point."""
        return self.firmness if isinstance(self.firmness, tuple) else ((0.0, self.firmness),)

    def firmness_at(self, seconds: float) -> float:
        """The firmness of the footage, `seconds` after its start."""
        times, values = zip(*self.curve, strict=True)
        return float(np.interp(seconds, times, values))

    def lasts(self, fps: float) -> float | None:
        """Seconds of footage on a canvas of `fps`; None where only the file knows.

        A latent is taken to be compressed as ours are, and to begin a video.
        """
        if not isinstance(self.source, Tensor):
            return self.seconds
        if self.is_latent:
            return COMPRESSION.pixel_frames(self.source.shape[2]) / fps
        whole = (len(self.source) / (self.fps or fps) - self.skip) / self.speed
        return whole if self.seconds is None else min(whole, self.seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptSpan:
    """A prompt, and the seconds of the canvas it describes; to the end where `end` is None."""

    prompt: str
    start: float = 0.0
    end: float | None = None

    def __post_init__(self) -> None:
        end = math.inf if self.end is None else self.end
        if not (math.isfinite(self.start) and 0 <= self.start < end):
            raise SizeError(f"a prompt from {self.start} s to {end} s: choose 0 <= start < end")


@dataclass(frozen=True, kw_only=True, slots=True)
class Canvas:
    """The size, seconds and frame rate of a video, with its footage; 0 seconds is a single image.

    Where placements overlap, the later one lies on top; what it leaves open shows those beneath.
    The time of a `ring` has no ends: the last frame is followed by the first.
    """

    width: int
    height: int
    seconds: float = 0.0
    fps: float = 8.0
    ring: bool = False
    placements: tuple[Placement, ...] = ()
    prompts: tuple[PromptSpan, ...] = ()

    def __post_init__(self) -> None:
        Size.of_duration(self.width, self.height, self.seconds, self.fps)

    @property
    def size(self) -> Size:
        """The requested pixels and frames."""
        return Size.of_duration(self.width, self.height, self.seconds, self.fps)

    @property
    def last(self) -> float:
        """The second at which the last frame begins."""
        return (self.size.frames - 1) / self.fps

    @property
    def description(self) -> str:
        """Size, length and the start of the first prompt, for people."""
        prompt = f": {self.prompts[0].prompt[:60]}" if self.prompts else ""
        return f"{self.width}x{self.height}, {self.seconds:g} s{prompt}"

    def place(self, *placements: Placement) -> "Canvas":
        """This canvas with `placements` on top."""
        return replace(self, placements=self.placements + placements)

    def add_prompts(self, *prompts: PromptSpan) -> "Canvas":
        """This canvas with more `prompts`."""
        return replace(self, prompts=self.prompts + prompts)

    def grid(self, compression: Compression = COMPRESSION) -> Grid:
        """The latent cells that cover the canvas. On a ring no first frame stands alone."""
        grid = compression.grid(self.size)
        if not self.ring:
            return grid
        frames, time = self.size.frames, compression.time
        if frames % time:
            raise SizeError(
                f"a loop of {frames} frames: choose a multiple of {time}, such as "
                f"{time * math.ceil(frames / time) / self.fps:g} seconds"
            )
        return replace(grid, frames=frames // time)

    def frame_at(self, seconds: float) -> int:
        """The number of the frame that begins nearest to `seconds`; beyond the ends too."""
        return round(seconds * self.fps)

    def latent_frame(self, frame: int, compression: Compression = COMPRESSION) -> int:
        """The latent frame that stands for `frame`."""
        return frame // compression.time if self.ring else compression.latent_frames(frame + 1) - 1

    def frames_of(self, latent_frame: int, compression: Compression = COMPRESSION) -> range:
        """The frames that a latent frame stands for; the last ones may lie beyond the canvas."""
        end = (latent_frame + 1) * compression.time
        if self.ring:
            return range(end - compression.time, end)
        end -= compression.time - 1
        return range(max(0, end - compression.time), end)

    def latent_seconds(
        self, compression: Compression = COMPRESSION, frames: int | None = None
    ) -> list[tuple[float, float]]:
        """Start and end of each latent frame in seconds, of the first `frames` where given.

        None ends after the canvas.
        """
        last, count = self.size.frames, self.grid(compression).frames if frames is None else frames
        groups = [self.frames_of(i, compression) for i in range(count)]
        return [(group.start / self.fps, min(group.stop, last) / self.fps) for group in groups]


def shaped(aspect: str, width: int, height: int) -> tuple[int, int]:
    """Width and height of one of `ASPECTS`, even, with as many pixels as `width` x `height`."""
    check_choice("aspect", aspect, ASPECTS, SizeError)
    ratio = ASPECTS[aspect]
    return 2 * round(sqrt(width * height * ratio) / 2), 2 * round(sqrt(width * height / ratio) / 2)
