"""The properties of a video file, before its frames are read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

import av
from av.codec.context import Flags
from av.container import InputContainer
from av.sidedata.sidedata import Type
from av.video.stream import VideoStream

from .colour import colour_notes, primaries_note, refused_colours
from .container import (
    MAX_FILE_SIDE,
    MAX_PIXELS,
    FileSource,
    media_error,
    media_errors,
    opened,
    packets,
    side_data,
)
from .cropping import Crop, crop_of
from .dolby_vision import own_colours
from .hdr import NAMES as HDR_NAMES
from .orientation import Orientation, orientation, square_pixels
from .streams import video_stream
from .timing import decoding_delay, frame_rate_of, header_frames, header_seconds, measured_seconds
from .webm_alpha import alpha_decoder, every_frame_has_alpha, stores_alpha


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """A video as displayed: `width` and `height` include `rotation` and the shape of pixels.

    `frames` is the count that the header states or implies, or None; `rotation` is in
    degrees, counterclockwise, after which `mirrored` frames are mirrored; `seconds` is 0 if
    the header has no length. `notes` are sentences about assumptions and conversions.
    """

    width: int
    height: int
    fps: Fraction
    frames: int | None
    seconds: float
    rotation: int
    has_audio: bool
    codec: str
    metadata: Mapping[str, str]
    mirrored: bool = False
    has_alpha: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inspected:
    """An open video: its properties, stream, frames from the first on, and orientation.

    `delay` is the difference between decoding and display times in a container that has only the
    former, else None. `coded` is the width and height of the frames before they are cropped and
    turned upright. `alpha_beside` is whether WebM stores alpha beside each of them.
    """

    info: MediaInfo
    stream: VideoStream
    frames: Iterator[av.VideoFrame]
    coded: tuple[int, int]
    crop: Crop
    orientation: Orientation
    delay: int | None
    alpha_beside: bool


def probe(source: FileSource) -> MediaInfo:
    """The properties of `source`; MediaError if its first frame cannot be decoded within limits."""
    with opened(source) as container:
        return inspect(source, container).info


def duration_of(source: FileSource) -> Fraction:
    """The duration of the frames of `source` in seconds, by a header or else by counting."""
    with opened(source) as container:
        stream = video_stream(source, container)
        return measured_seconds(source, container, stream)


def inspect(source: FileSource, container: InputContainer) -> Inspected:
    """The properties of an open container, and the frames of its video."""
    stream = video_stream(source, container)
    check_size(source, stream.codec_context.width, stream.codec_context.height)
    fps = frame_rate_of(source, container, stream)
    seconds = header_seconds(source, container, stream)
    alpha_beside = every_frame_has_alpha(source, container, stream)
    frames = first_decoded(source, container, stream, alpha_beside)
    first = next(frames, None)
    if first is None:
        raise media_error(source, "no frame can be read; the file is cut short or damaged")
    check_size(source, first.width, first.height)
    context = stream.codec_context
    if own_colours(source, container, stream):
        raise media_error(source, "it is Dolby Vision in colours of its own; save it as HDR10")
    problem = refused_colours(first, context.color_trc, context.color_primaries)
    if problem is not None:
        raise media_error(source, f"{problem}, which is not read; save it as BT.709")
    lies = orientation(first)
    if lies is None:
        raise media_error(source, "it is to be turned by no quarter turn; turn and re-encode it")
    crop = crop_of(source, container, stream, first.width, first.height)
    square = square_pixels(crop.width, crop.height, stream.sample_aspect_ratio)
    check_size(source, *square)
    width, height = lies.size(*square)
    info = MediaInfo(
        width=width,
        height=height,
        fps=fps,
        frames=header_frames(container, stream, fps, seconds),
        seconds=seconds,
        rotation=lies.rotation,
        has_audio=bool(container.streams.audio),
        codec=stream.codec_context.name,
        metadata=dict(container.metadata),
        mirrored=lies.mirrored,
        has_alpha=has_alpha(first),
        notes=tuple(_notes(container, stream, first, crop, square)),
    )
    return Inspected(
        info=info,
        stream=stream,
        frames=chain([first], frames),
        coded=(first.width, first.height),
        crop=crop,
        orientation=lies,
        delay=decoding_delay(container, stream, first),
        alpha_beside=alpha_beside,
    )


def first_decoded(
    source: FileSource, container: InputContainer, stream: VideoStream, alpha_beside: bool
) -> Iterator[av.VideoFrame]:
    """The frames of `stream` from the position of `container`, in display order.

    With the alpha that WebM stores beside each of them if `alpha_beside`.
    """
    stream.codec_context.flags |= Flags.unaligned  # else H.264 and H.265 keep some of a left crop
    decoder = (alpha_decoder(stream) if alpha_beside else None) or stream
    with media_errors(source, "be read further"):
        for packet in packets(container, stream):
            yield from decoder.decode(packet)


def check_size(source: FileSource, width: int, height: int) -> None:
    """MediaError for frames whose sides or area exceed the limits."""
    if not (width or height):
        raise media_error(source, "no header of its video is found; it is cut short or damaged")
    if not (
        0 < width <= MAX_FILE_SIDE and 0 < height <= MAX_FILE_SIDE and width * height <= MAX_PIXELS
    ):
        limit = f"{MAX_FILE_SIDE} px a side and {MAX_PIXELS} px in all"
        raise media_error(source, f"frames of {width}x{height} px; at most {limit} are read")


def has_alpha(frame: av.VideoFrame) -> bool:
    """Whether `frame` has an alpha channel, even a fully opaque one."""
    return frame.format.name in ALPHA_FORMATS or any(
        component.is_alpha for component in frame.format.components
    )


INTERLACED = (2, 3, 4, 5)
"""The orders of fields in which a header may name a video interlaced."""

ALPHA_FORMATS = ("pal8",)  # its palette has


def _alpha_apart(container: InputContainer, stream: VideoStream) -> bool:
    """Whether another stream is the alpha of `stream`: grey, without a purpose, as in AVIF."""
    size = stream.codec_context.width, stream.codec_context.height
    return "mp4" in container.format.name and any(
        not other.disposition
        and (other.codec_context.pix_fmt or "").startswith("gray")
        and (other.codec_context.width, other.codec_context.height) == size
        for other in container.streams.video
        if other is not stream and other.codec_context is not None
    )


def _notes(
    container: InputContainer,
    stream: VideoStream,
    first: av.VideoFrame,
    crop: Crop,
    square: tuple[int, int],
) -> Iterator[str]:
    yield from colour_notes(first)
    curve = stream.codec_context.color_trc
    if curve in HDR_NAMES:
        name = HDR_NAMES[curve]
        yield f"it is HDR ({name}): mapped to SDR by the curve of BT.2390"
    elif (wide := primaries_note(stream.codec_context.color_primaries)) is not None:
        yield wide
    if first.interlaced_frame:
        yield "it is interlaced: deinterlaced to one picture a frame"
    elif getattr(stream.codec_context, "field_order", 0) in INTERLACED:  # PyAV 16 has none
        yield "its header calls it interlaced: frames that are so are deinterlaced"
    if (crop.width, crop.height) != (first.width, first.height):
        yield f"it asks for a part of its frames: cropped to {crop.width}x{crop.height}"
    if square != (crop.width, crop.height):
        yield f"its pixels are not square: shown as {square[0]}x{square[1]}"
    if (side_data(first, Type.STEREO3D, 4) or bytes(4))[:4] != bytes(4):
        yield "it is stereoscopic: its frames are shown as they are stored"
    if side_data(first, Type.SPHERICAL, 4) is not None:
        yield "it is spherical: its frames are shown flat, as they are stored"
    if not has_alpha(first) and (stores_alpha(stream) or _alpha_apart(container, stream)):
        yield "its transparency is not read: use ProRes 4444, VP9, PNG or FFV1 for that"
    if sum(1 for other in container.streams.video if other is not stream) > 0:
        yield f"it holds more than one video stream: stream {stream.index} is read"
