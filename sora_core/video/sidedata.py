"""Side data of frames, as the structures of FFmpeg."""

from typing import cast

import av
from av.sidedata.sidedata import SideDataContainer, Type


def side_data(frame: av.VideoFrame, kind: Type, size: int) -> bytes | None:
    """The side data of `kind` of `frame`; None where there is none of at least `size` bytes."""
    container = cast(SideDataContainer, frame.side_data)
    try:
        values = bytes(cast(bytearray, container[kind]))  # a buffer
    except KeyError:
        return None
    return values if len(values) >= size else None
