"""What a video file holds, found out before its frames are read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from .container import (
    MAX_FILE_FPS,
    MAX_PIXELS,
    MAX_SECONDS,
    MAX_SIDE,
    Source,
    media_error,
    media_errors,
    opened,
)


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """A video as it is shown: `width` and `height` count its `rotation` in already.

    `frames` is what the header claims or implies, None where it says nothing; `rotation` is in
    degrees, counterclockwise; `seconds` is 0 where the header does not say.
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


def probe(source: Source) -> MediaInfo:
    """What `source` holds; MediaError where its first frame cannot be had within the limits."""
    with opened(source) as container:
        return inspect(source, container)[0]


def lasting(source: Source) -> Fraction:
    """The seconds that the frames of `source` last; where no header counts them, they are."""
    with opened(source) as container:
        stream = _video_stream(source, container)
        tick = stream.time_base or Fraction(1, av.time_base)
        if stream.frames and stream.duration:
            return stream.duration * tick
        step = round(1 / (_fps(source, stream) * tick))
        with media_errors(source, "be read further"):
            ends = (
                packet.pts + (packet.duration or step)
                for packet in container.demux(stream)
                if packet.pts is not None
            )
            last = max(ends, default=step)
        return (last - (stream.start_time or 0)) * tick


def inspect(
    source: Source, container: InputContainer
) -> tuple[MediaInfo, VideoStream, Iterator[av.VideoFrame]]:
    """What an open container holds, its video stream, and the frames of it from the first on."""
    stream = _video_stream(source, container)
    frames = decoded(source, container, stream)
    first = next(frames, None)
    if first is None:
        raise media_error(source, "no frame can be read; the file is cut short or damaged")
    check_size(source, first.width, first.height)
    rotation = 90 * round(first.rotation / 90) % 360
    width, height = first.width, first.height
    if rotation % 180:
        width, height = height, width
    fps, seconds = _fps(source, stream), _seconds(source, container, stream)
    info = MediaInfo(
        width=width,
        height=height,
        fps=fps,
        frames=stream.frames or round(seconds * fps) or None,
        seconds=seconds,
        rotation=rotation,
        has_audio=bool(container.streams.audio),
        codec=stream.codec_context.name,
        metadata=dict(container.metadata),
    )
    return info, stream, chain([first], frames)


def decoded(
    source: Source, container: InputContainer, stream: VideoStream
) -> Iterator[av.VideoFrame]:
    """The frames of `stream` from where `container` stands, in the order they are shown."""
    with media_errors(source, "be read further"):
        yield from container.decode(stream)


def check_size(source: Source, width: int, height: int) -> None:
    """Refuses frames whose sides or area exceed the limits."""
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS):
        limit = f"{MAX_SIDE} px a side and {MAX_PIXELS} px in all"
        raise media_error(source, f"frames of {width}x{height} px; at most {limit} are read")


def _video_stream(source: Source, container: InputContainer) -> VideoStream:
    shown = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic  # the cover of a song is no video
    ]
    if not shown:
        raise media_error(source, "no video in it; give an mp4, mov, mkv, webm or gif with frames")
    context = shown[0].codec_context
    if context is None:  # decoding would then end the process (PyAV issue 2344)
        raise media_error(source, "no decoder for its video; save it as H.264")
    check_size(source, context.width, context.height)
    return shown[0]


def _fps(source: Source, stream: VideoStream) -> Fraction:
    fps = stream.average_rate or stream.guessed_rate
    if not fps or not 0 < fps <= MAX_FILE_FPS:
        raise media_error(source, f"{fps or 0} frames a second; up to {MAX_FILE_FPS} are read")
    return fps


def _seconds(source: Source, container: InputContainer, stream: VideoStream) -> float:
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    else:
        seconds = (container.duration or 0) / av.time_base
    if not 0 <= seconds <= MAX_SECONDS:
        raise media_error(source, f"{seconds:.0f} s long; at most {MAX_SECONDS} s are read")
    return seconds
