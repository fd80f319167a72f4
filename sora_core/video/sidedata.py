"""What a file says about a frame beside its pixels, as the structures of FFmpeg."""

import av
from av.sidedata.sidedata import Type


def side_data(frame: av.VideoFrame, kind: Type, size: int) -> bytes | None:
    """The side data of `kind` of `frame`; None where there is none of at least `size` bytes."""
    for side in frame.side_data:
        if side.type == kind:
            values = bytes(side)
            return values if len(values) >= size else None
    return None
