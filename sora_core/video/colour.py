"""Conversion of file frames to RGB and back: exact rounding and chroma position.

Axes: y rows, x columns.
"""

from typing import cast

import av
import numpy as np
import torch
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from jaxtyping import UInt8, UInt16
from torch import Tensor

from .chroma import ChromaHalving

FULL_CHROMA_INPUT, FULL_CHROMA, ACCURATE = 0x4000, 0x2000, 0x40000  # of libswscale: flags
EXACT = Interpolation.BICUBIC.value | ACCURATE | FULL_CHROMA | FULL_CHROMA_INPUT
"""Flags of libswscale; by default it rounds down, by 1 to 1.5 levels at each conversion."""

UNNAMED = 2
BT709 = 1  # the number of its matrix, its transfer curve and its primaries in every standard
MATRICES = (0, BT709, UNNAMED, 4, 5, 6, 7, 9)
"""Matrices that libswscale inverts: FCC, BT.601, SMPTE 240M and BT.2020 beside BT.709."""

OTHER_MATRICES = {
    8: "YCgCo",
    10: "BT.2020 with constant luminance",
    11: "SMPTE 2085",
    12: "derived from primaries",
    13: "derived from primaries, with constant luminance",
    14: "ICtCp",
    15: "IPT of Dolby Vision",
    16: "YCgCo-R",
    17: "YCgCo-R",
}
OTHER_CURVES = {8: "linear light", 9: "logarithmic", 10: "logarithmic", 17: "that of SMPTE 428"}
"""Transfer curves whose numbers look nothing like those of BT.709, and that are not converted."""

XYZ_PRIMARIES = 10
OTHER_PRIMARIES = {
    4: "BT.470 M", 8: "film", 9: "BT.2020", 11: "DCI-P3", 12: "Display P3"
}  # fmt: skip
"""Primaries that are noted: those of BT.709 and BT.601 are near to each other."""

LIMITED_BLACK, LIMITED_WHITE = 16 << 8, 235 << 8  # of limited range, in 16 bits
HALF = np.uint16(128)

RGB_8, PLANAR_RGB, RGB_16, RGBA = "rgb24", "gbrp", "rgb48le", "rgba"


class FrameConverter:
    """Converts decoded frames, whose size may change, to pixels of one size.

    A frame without a matrix is read as BT.601, and one without a range as limited range, as in
    ComfyUI, so that a file has the same colours whichever node reads it.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.reformatter = VideoReformatter()  # setting one up costs more than using it

    def rgb(self, frame: av.VideoFrame) -> UInt8[np.ndarray, "y x 3"]:
        """The pixels of `frame`, converted by its own matrix, range and chroma position."""
        if _is_limited_grey(frame):
            return ((self.rgb_16(frame).astype(np.uint32) + HALF) // 257).astype(np.uint8)
        planes = self._reformatted(frame, PLANAR_RGB).planes  # thrice as fast as RGB in one plane
        pixels = np.empty((self.height, self.width, 3), np.uint8)
        for channel, plane in zip((1, 2, 0), planes, strict=True):  # green, blue, red
            pixels[:, :, channel] = _pixels(plane, np.uint8)
        return pixels

    def rgb_16(self, frame: av.VideoFrame) -> UInt16[np.ndarray, "y x 3"]:
        """The pixels of `frame` in 16 bits, of the transfer curve that the frame has."""
        pixels = self._reformatted(frame, RGB_16).to_ndarray()
        if not _is_limited_grey(frame):
            return pixels
        levels = (pixels.astype(np.float32) - LIMITED_BLACK) * (
            65535 / (LIMITED_WHITE - LIMITED_BLACK)
        )
        return levels.round().clip(0, 65535).astype(np.uint16)

    def alpha(self, frame: av.VideoFrame) -> UInt8[np.ndarray, "y x"]:
        """The alpha of `frame`; fully opaque for a format without alpha."""
        return self._reformatted(frame, RGBA).to_ndarray()[..., 3]

    def _reformatted(self, frame: av.VideoFrame, pixels: str) -> av.VideoFrame:
        # RGB has no matrix, yet PyAV 16 skips the conversion where both sides name the same one.
        skipped = frame.format.name == pixels
        return self.reformatter.reformat(
            frame,
            self.width,  # some streams change size half-way
            self.height,
            format=pixels,
            dst_colorspace=None if skipped else Colorspace.ITU601,
            src_color_range=frame.color_range,
            interpolation=EXACT,
        )


class YuvWriter:
    """Converts RGB of one size to frames of BT.709, limited range, with chroma sited left."""

    def __init__(self, width: int, height: int, pixels: str) -> None:
        self.width, self.height, self.pixels = width, height, pixels
        self.halving = ChromaHalving(height, width) if pixels == "yuv420p" else None
        self.reformatter = VideoReformatter()

    def frame(self, rgb: UInt8[Tensor, "y x 3"]) -> av.VideoFrame:
        """`rgb` as a frame of BT.709, limited range, in the pixel format of the writer.

        `rgb` must have the width and height of the writer. For yuv420p the chroma is halved from
        16-bit 4:4:4 and sited left.
        """
        picture = av.VideoFrame.from_ndarray(rgb.cpu().contiguous().numpy(), format=RGB_8)
        if self.halving is None:
            return self._converted(picture, self.pixels)
        luma, *chroma = self._converted(picture, "yuv444p16le").planes
        frame = av.VideoFrame(self.width, self.height, self.pixels)
        _pixels(frame.planes[0], np.uint8)[:] = _high_byte(_pixels(luma, np.uint16))
        whole = np.empty((2, self.height, self.width), np.float32)
        for values, plane in zip(whole, chroma, strict=True):
            values[:] = _pixels(plane, np.uint16)
        halved = self.halving(torch.from_numpy(whole)).div_(256)
        levels = halved.round_().clamp_(0, 255).byte().numpy()
        for plane, values in zip(frame.planes[1:], levels, strict=True):
            _pixels(plane, np.uint8)[:] = values
        frame.colorspace, frame.color_range = BT709, ColorRange.MPEG.value
        return frame

    def _converted(self, picture: av.VideoFrame, pixels: str) -> av.VideoFrame:
        return self.reformatter.reformat(
            picture,
            format=pixels,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=EXACT,
        )


def colour_notes(frame: av.VideoFrame) -> list[str]:
    """The assumptions about the colours of `frame`, one sentence each."""
    if frame.format.is_rgb:
        return []
    notes = []
    grey = _is_grey(frame)
    if frame.colorspace == UNNAMED and not grey:
        notes.append("it names no colour matrix: read as BT.601, as ComfyUI reads it")
    if frame.color_range == ColorRange.UNSPECIFIED.value:
        name = "full" if grey or frame.format.name.startswith("yuvj") else "limited"
        notes.append(f"it names no range of levels: read as {name} range, as ComfyUI reads it")
    return notes


def primaries_note(primaries: int) -> str | None:
    """The sentence about primaries other than those of BT.709, which are not converted."""
    if primaries not in OTHER_PRIMARIES:
        return None
    name = OTHER_PRIMARIES[primaries]
    return f"its primaries are those of {name}: its numbers are read as they are, as ComfyUI does"


def refused_colours(frame: av.VideoFrame, curve: int, primaries: int) -> str | None:
    """What cannot be converted: the matrix of `frame`, or the numbers of its curve and primaries.

    None if all are read.
    """
    matrix = frame.colorspace
    if matrix not in MATRICES and not (frame.format.is_rgb or _is_grey(frame)):
        return f"its colour matrix is {OTHER_MATRICES.get(matrix, f'number {matrix}')}"
    if curve in OTHER_CURVES:
        return f"its transfer curve is {OTHER_CURVES[curve]}"
    return "its colours are CIE XYZ" if primaries == XYZ_PRIMARIES else None


def _is_limited_grey(frame: av.VideoFrame) -> bool:
    """Whether `frame` is grey of limited range, which libswscale takes for full range."""
    return _is_grey(frame) and frame.color_range == ColorRange.MPEG.value


def _is_grey(frame: av.VideoFrame) -> bool:
    colours = sum(not component.is_alpha for component in frame.format.components)
    return colours == 1 and not frame.format.is_rgb and not frame.format.has_palette


def _pixels(plane: VideoPlane, dtype: type) -> np.ndarray:
    """A view of `plane`, without the bytes that pad its rows."""
    rows = np.frombuffer(cast(bytearray, plane), dtype).reshape(plane.height, -1)
    return rows[:, : plane.width]


def _high_byte(values: UInt16[np.ndarray, "y x"]) -> UInt8[np.ndarray, "y x"]:
    """`values` in 8 bits, rounded to the nearest; limited range leaves room for the carry."""
    return ((values + np.uint16(128)) >> 8).astype(np.uint8)
