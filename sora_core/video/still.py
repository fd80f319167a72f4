"""Reads a still picture from a file, within the limits of video."""

import re
import stat
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from ..shapes import Frames
from .container import media_error
from .probe import check_size

STILL_FORMATS = ("PNG", "JPEG", "WEBP")
SIGNATURES = (rb"\x89PNG\r\n", rb"\xff\xd8\xff", rb"RIFF.{4}WEBP")  # how their files begin
ANIMATED = ("PNG", "WEBP")  # a JPEG of a phone has a preview beside its picture
MAX_STILL_BYTES = 256_000_000  # of a file: MAX_PIXELS take 133 MB when nothing is packed


def is_still(path: Path) -> bool:
    """Whether the file at `path` begins as a picture that `read_still` reads."""
    try:
        with path.open("rb") as file:
            begin = file.read(12)
    except OSError:
        return False
    return any(re.match(signature, begin, re.DOTALL) for signature in SIGNATURES)


def read_still(path: Path) -> Frames:
    """The picture at `path` as one frame, upright; MediaError if it cannot be decoded.

    The size is checked before any pixel is read. Transparent pixels are composed over black.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise media_error(path, "not a file; a folder, pipe or device holds no picture")
        if path.stat().st_size > MAX_STILL_BYTES:
            raise media_error(path, f"a picture of more than {MAX_STILL_BYTES / 1e6:.0f} MB")
        # From memory: of a file, Pillow asks for as many bytes as a chunk claims to have.
        with Image.open(BytesIO(path.read_bytes()), formats=STILL_FORMATS) as image:
            check_size(path, *image.size)
            if image.format in ANIMATED and getattr(image, "is_animated", False):
                raise media_error(path, "an animation; save its picture as PNG, or all as MP4")
            upright = _eight_bits(ImageOps.exif_transpose(image)).convert("RGBA")
    except UnidentifiedImageError as error:
        raise media_error(path, f"no picture; {', '.join(STILL_FORMATS)} are read") from error
    except Image.DecompressionBombError as error:
        raise media_error(path, "a picture of far too many pixels") from error
    except (OSError, SyntaxError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise media_error(path, f"cannot be read: {reason}") from error
    composited = Image.alpha_composite(Image.new("RGBA", upright.size, (0, 0, 0, 255)), upright)
    return torch.from_numpy(np.array(composited.convert("RGB")))[None]


def _eight_bits(image: Image.Image) -> Image.Image:
    """`image`, grey of 16 bits in 8: Pillow takes all above 255 for white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))
