"""The spacetime canvas: an empty video of a size, a duration and a frame rate."""

from dataclasses import dataclass
from math import sqrt

from .errors import SizeError
from .shapes import COMPRESSION, Compression, Grid, Size

ASPECTS = {"16:9": 16 / 9, "4:3": 4 / 3, "1:1": 1.0, "3:4": 3 / 4, "9:16": 9 / 16}
"""The shapes to choose from, as width over height."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Canvas:
    """What is to be painted: pixels, seconds and frames per second. 0 seconds is a single image."""

    width: int
    height: int
    seconds: float = 0.0
    fps: float = 8.0

    def __post_init__(self) -> None:
        Size.lasting(self.width, self.height, self.seconds, self.fps)

    @property
    def size(self) -> Size:
        """The pixels and frames that were asked for."""
        return Size.lasting(self.width, self.height, self.seconds, self.fps)

    def grid(self, compression: Compression = COMPRESSION) -> Grid:
        """The latent cells that cover the canvas."""
        return compression.grid(self.size)


def shaped(aspect: str, width: int, height: int) -> tuple[int, int]:
    """Width and height of one of `ASPECTS`, even, with as many pixels as `width` x `height`."""
    if aspect not in ASPECTS:
        raise SizeError(f"aspect {aspect[:20]!a}: choose one of {', '.join(ASPECTS)}")
    ratio = ASPECTS[aspect]
    return 2 * round(sqrt(width * height * ratio) / 2), 2 * round(sqrt(width * height / ratio) / 2)
