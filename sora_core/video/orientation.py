"""The display orientation of a file's frames: rotation, mirroring, pixels that are not square."""

import struct
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.sidedata.sidedata import Type

from .container import side_data

ODD_ANGLE = 0.02  # of the larger entries of a matrix: 1 degree is no quarter turn
MAX_ASPECT = 10  # of a pixel; anamorphic footage has at most 2, a larger one is damage


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight orientations: transposed first, then columns and rows reversed."""

    transposed: bool = False
    columns_reversed: bool = False
    rows_reversed: bool = False

    @property
    def mirrored(self) -> bool:
        return self.transposed ^ self.columns_reversed ^ self.rows_reversed

    @property
    def rotation(self) -> int:
        """Degrees counterclockwise, a multiple of 90; of a mirrored one, before its mirroring."""
        if self.transposed:
            return 90 if self.rows_reversed else 270
        return 180 if self.rows_reversed else 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        return (height, width) if self.transposed else (width, height)

    def upright(self, pixels: np.ndarray) -> np.ndarray:
        """`pixels`, whose first two axes are rows and columns, in display orientation."""
        if self.transposed:
            pixels = pixels.swapaxes(0, 1)
        if self.columns_reversed:
            pixels = pixels[:, ::-1]
        return pixels[::-1] if self.rows_reversed else pixels


def orientation(frame: av.VideoFrame) -> Orientation | None:
    """The orientation of `frame` by its display matrix; None for an angle between quarter turns.

    Upright without a matrix, or with one of zeros.

    The matrix maps source columns and rows, (p, q), to (a p + c q, b p + d q).
    """
    matrix = side_data(frame, Type.DISPLAYMATRIX, 36)
    if matrix is None:
        return Orientation()
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix[:36])
    straight, crossed = max(abs(a), abs(d)), max(abs(b), abs(c))
    if straight == crossed == 0:
        return Orientation()
    if min(straight, crossed) > ODD_ANGLE * max(straight, crossed):
        return None
    if straight > crossed:
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)


def square_pixels(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """The display size of frames with pixels of `aspect`, width over height.

    The side that is too short grows, so no detail is lost.
    """
    if aspect is None or not Fraction(1, MAX_ASPECT) <= aspect <= MAX_ASPECT or aspect == 1:
        return width, height
    if aspect > 1:
        return round(width * aspect), height
    return width, round(height / aspect)
