"""The part of each frame that a file asks to show."""

from dataclasses import dataclass

import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from .container import FileSource, media_errors
from .matroska import pixel_crop
from .mp4 import clean_aperture


@dataclass(frozen=True, slots=True)
class Crop:
    """A rectangle of a frame, in its coded pixels."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """The rectangle of `pixels`, whose first two axes are rows and columns."""
        rows = slice(self.top, self.top + self.height)
        return pixels[rows, self.left : self.left + self.width]


def crop_of(
    source: FileSource, container: InputContainer, stream: VideoStream, width: int, height: int
) -> Crop:
    """What `source` asks to show of frames of `width` x `height`; all where it asks nothing sane.

    That is the clean aperture of MP4 and QuickTime, and the cropping of Matroska.
    """
    whole = Crop(0, 0, width, height)
    with media_errors(source, "be read further"):
        if "matroska" in container.format.name:
            left, top, right, bottom = pixel_crop(source, container.streams.video.index(stream))
            crop = Crop(left, top, width - left - right, height - top - bottom)
        elif "mp4" in container.format.name:
            aperture = clean_aperture(source, stream.id)
            if aperture is None:
                return whole
            wide, high, right, down = aperture
            left, top = (width - wide) / 2 + right, (height - high) / 2 + down
            crop = Crop(round(left), round(top), round(wide), round(high))
        else:
            return whole
    inside = crop.left >= 0 and crop.top >= 0 and crop.width > 0 and crop.height > 0
    fits = crop.left + crop.width <= width and crop.top + crop.height <= height
    return crop if inside and fits else whole
