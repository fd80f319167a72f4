"""Which streams of a file are the film: covers, thumbnails and refused codecs are not."""

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from . import decoders
from .container import FORMAT_NAMES, FileSource, media_error

STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
"""Pictures that go with a film or a song: covers, and previews of chapters."""


def video_stream(source: FileSource, container: InputContainer) -> VideoStream:
    """The video that a player would show: the default one, else the first; MediaError if none is
    there whose decoder is on the list."""
    moving = [stream for stream in container.streams.video if not stream.disposition & STILL]
    if not moving:
        problem = f"no video in it; {FORMAT_NAMES} with frames are read"
        raise media_error(source, problem)
    stream = next((s for s in moving if s.disposition & Disposition.default), moving[0])
    context = stream.codec_context
    if context is None:  # decoding would then end the process (PyAV issue 2344)
        raise media_error(source, f"no decoder for its video; {decoders.VIDEO_FIX}")
    if context.codec.name not in decoders.VIDEO:
        problem = f"its video is {context.codec.name[:20]}, which is not read"
        raise media_error(source, f"{problem}; {decoders.VIDEO_FIX}")
    return stream


def sound_stream(source: FileSource, container: InputContainer) -> AudioStream | None:
    """The sound that a player would play: the default one, else the first; None where there is
    none, MediaError where its decoder is not on the list."""
    streams = container.streams.audio
    if not streams:
        return None
    stream = next((s for s in streams if s.disposition & Disposition.default), streams[0])
    context = stream.codec_context
    if context is None:
        raise media_error(source, f"no decoder for its sound; {decoders.SOUND_FIX}")
    if context.codec.name not in decoders.SOUND:
        problem = f"its sound is {context.codec.name[:20]}, which is not read"
        raise media_error(source, f"{problem}; {decoders.SOUND_FIX}")
    return stream
