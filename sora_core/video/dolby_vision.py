"""Dolby Vision in colours of its own, which as any other video are green and violet.

Source: Dolby Vision Streams within the ISO Base Media File Format 2.5, section 3.2, and, for
Matroska, its Codec Mappings.
"""

from av.container import InputContainer
from av.video.stream import VideoStream

from .container import FileSource, media_errors
from .matroska import block_addition
from .mp4 import codec_box

BOXES = (b"dvcC", b"dvvC", b"dvwC")
OWN_COLOURS = (5, 10, 20)
"""Profiles whose base layer may be one that no other decoder can show."""


def own_colours(source: FileSource, container: InputContainer, stream: VideoStream) -> bool:
    """Whether `stream` is Dolby Vision of a profile without a base layer in common colours."""
    with media_errors(source, "be read further"):
        for kind in BOXES:
            if "mp4" in container.format.name:
                config = codec_box(source, stream.id, kind)
            elif "matroska" in container.format.name:
                index = container.streams.video.index(stream)
                config = block_addition(source, index, int.from_bytes(kind, "big"))
            else:
                return False
            if len(config) >= 5 and config[2] >> 1 in OWN_COLOURS and config[4] >> 4 == 0:
                return True
    return False
