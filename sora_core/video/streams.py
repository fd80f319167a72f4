"""The main streams of a file, without covers, thumbnails and refused codecs."""

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from . import decoders
from .container import FORMAT_NAMES, FileSource, media_error
from .playback import check_playback
from .protection import check_protection

STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
"""Attached pictures: covers, and previews of chapters."""

PICTURE_TILE = Disposition.dependent
"""A part of a picture: HEIC and AVIF store large ones in tiles, which FFmpeg does not join."""


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The video that a player would show: the default one, else the first.

    A single frame beside a longer video is its cover, as in an animated AVIF. None if all are still
    pictures, such as the cover of a song."""
    apart = STILL | PICTURE_TILE
    pictures = [stream for stream in container.streams.video if not stream.disposition & apart]
    moving = [stream for stream in pictures if stream.frames != 1] or pictures
    default = (stream for stream in moving if stream.disposition & Disposition.default)
    return next(default, moving[0] if moving else None)


def video_stream(source: FileSource, container: InputContainer) -> VideoStream:
    """The video that a player would show; MediaError without one that can be shown."""
    stream = picture_stream(container)
    tiled = any(other.disposition & PICTURE_TILE for other in container.streams.video)
    if tiled and (stream is None or stream.frames == 1):  # which is its thumbnail
        raise media_error(source, "its picture is in tiles, which are not joined; save it as PNG")
    if stream is None:
        raise media_error(source, f"no video in it; {FORMAT_NAMES} with frames are read")
    _check_stream(source, container, stream, decoders.VIDEO, decoders.VIDEO_FIX)
    return stream


def sound_stream(source: FileSource, container: InputContainer) -> AudioStream | None:
    """The sound that a player would play: the default one, else the first; None without sound.

    MediaError if its decoder is not allowed, or its edit list not followed."""
    streams = container.streams.audio
    if not streams:
        return None
    stream = next((s for s in streams if s.disposition & Disposition.default), streams[0])
    _check_stream(source, container, stream, decoders.SOUND, decoders.SOUND_FIX)
    return stream


def _check_stream(
    source: FileSource,
    container: InputContainer,
    stream: VideoStream | AudioStream,
    allowed: frozenset[str],
    fix: str,
) -> None:
    """MediaError unless the decoder of `stream` is `allowed` and it plays as it is stored."""
    check_protection(source, container, stream)
    kind = "video" if isinstance(stream, VideoStream) else "sound"
    context = stream.codec_context
    if context is None:  # decoding would then end the process (PyAV issue 2344)
        raise media_error(source, f"no decoder for its {kind}; {fix}")
    if context.codec.name not in allowed:
        raise media_error(
            source, f"its {kind} is {context.codec.name[:20]}, which is not read; {fix}"
        )
    check_playback(source, container, stream)
