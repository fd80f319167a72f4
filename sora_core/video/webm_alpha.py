"""VP8 and VP9 with alpha: WebM stores it beside each frame, where only the decoders of libvpx look.

The alpha of a frame is a picture of its own in the BlockAdditions of Matroska, number 1 (WebM
Container Guidelines, BlockAdditional).
"""

from typing import cast

import av
from av.codec.codec import UnknownCodecError
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

LIBVPX = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def stores_alpha(stream: VideoStream) -> bool:
    """Whether each frame of `stream` has its alpha beside it."""
    return stream.metadata.get("alpha_mode") == "1"


def alpha_decoder(stream: VideoStream) -> VideoCodecContext | None:
    """A new decoder of `stream` whose frames have alpha; None without such alpha.

    None too if this build of PyAV has no such decoder.
    """
    name = LIBVPX.get(stream.codec_context.codec.canonical_name)
    if name is None or not stores_alpha(stream):
        return None
    try:
        return cast(VideoCodecContext, av.CodecContext.create(name, "r"))
    except UnknownCodecError:
        return None
