"""VP8 and VP9 with alpha: WebM stores it beside each frame, where only the decoders of libvpx look.

The alpha of a frame is a picture of its own in the BlockAdditions of Matroska, number 1 (WebM
Container Guidelines, BlockAdditional). Browsers leave it out where a frame is opaque; libvpx shows
no such frame once it has seen alpha.
"""

from typing import cast

import av
from av.codec.codec import UnknownCodecError
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from .container import FileSource, media_errors, packets
from .timing import rewind

LIBVPX = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def stores_alpha(stream: VideoStream) -> bool:
    """Whether each frame of `stream` has its alpha beside it."""
    return stream.metadata.get("alpha_mode") == "1"


def every_frame_has_alpha(
    source: FileSource, container: InputContainer, stream: VideoStream
) -> bool:
    """Whether no frame of `stream` lacks the alpha beside it, for which all packets are read.

    `container`, which has not been read yet, is then at its beginning again.
    """
    if not stores_alpha(stream):
        return False
    with media_errors(source, "be read further"):
        found = (packet for packet in packets(container, stream) if packet.size)
        complete = all(packet.has_sidedata("matroska_block_additional") for packet in found)
        rewind(container, stream)
    return complete


def alpha_decoder(stream: VideoStream) -> VideoCodecContext | None:
    """A new decoder of `stream` whose frames have the alpha that every one of them stores.

    None for another codec, or if this build of PyAV has no such decoder.
    """
    name = LIBVPX.get(stream.codec_context.codec.canonical_name)
    if name is None:
        return None
    try:
        return cast(VideoCodecContext, av.CodecContext.create(name, "r"))
    except UnknownCodecError:
        return None
