"""Limits, accepted formats, typed errors and side data of media files."""

import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, cast

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.stream import VideoStream

from ..errors import MediaError
from .decoders import WHITELIST

CONTAINER_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,gif,avi,mpegts,flv,mpeg"
"""The only formats opened: others may name further files, as a text beginning `ffconcat` does."""

FORMAT_NAMES = "mp4, mov, mkv, webm, gif, avi, ts, m2ts, flv and mpg"

MAX_FILE_SIDE = 8192
MAX_PIXELS = 7680 * 4320
MAX_FPS = 240  # of output; slow-motion cameras write files of up to MAX_FILE_FPS
MAX_FILE_FPS = 1000
MAX_FILE_SECONDS = 6 * 3600
MAX_STREAMS = 32
MAX_ATTACHED = 1000
MAX_MESSAGE = 200

FileSource = Path | BinaryIO
"""A media file: its path, or the file open for reading bytes."""

NTSC = (24, 30, 48, 60, 120)
NTSC_TOLERANCE = 0.005  # people write 23.976, 23.98 and 29.97 for these


def frame_rate(fps: Fraction | float) -> Fraction:
    """The exact rate meant by `fps`; 23.976 and 29.97 mean 24000/1001 and 30000/1001."""
    if not (math.isfinite(fps) and 0 < fps <= MAX_FPS):
        raise MediaError(f"fps {float(fps)}: choose a frame rate above 0 and at most {MAX_FPS}")
    if isinstance(fps, Fraction):
        return fps
    for nominal in NTSC:
        exact = Fraction(nominal * 1000, 1001)
        if abs(fps - exact) < NTSC_TOLERANCE:
            return exact
    rate = Fraction(fps).limit_denominator(1001)
    if not rate:
        raise MediaError(f"fps {fps}: choose at least {1 / 1001:.3f}")
    return rate


def media_error(source: FileSource, problem: str) -> MediaError:
    """An error that names the file and the problem, never longer than `MAX_MESSAGE`."""
    named = isinstance(source, str | Path)
    name = f"{Path(source).name[-80:]!a:.82}" if named else "the open file"
    return MediaError(f"{name}: {problem}"[:MAX_MESSAGE])


@contextmanager
def media_errors(source: FileSource, action: str, fix: str = "") -> Iterator[None]:
    """A block in which errors of codecs and disk become a MediaError about `source`."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise media_error(source, f"cannot {action}: {reason}{fix}") from error


@contextmanager
def opened(source: FileSource) -> Iterator[InputContainer]:
    """The container in `source`, one of `CONTAINER_FORMATS`, closed at the end of the block."""
    with media_errors(source, "be opened", "; choose a video file that plays elsewhere"):
        named = isinstance(source, str | Path)
        if named and not stat.S_ISREG(Path(source).stat().st_mode):
            raise media_error(source, "not a file; a folder, pipe or device holds no video")
        try:
            container = av.open(
                str(Path(source).absolute()) if named else source,
                # Not `options`, which go to each stream too: PyAV 16 ends the process where the
                # header of the format lists no streams, as that of FLV.
                container_options={
                    "format_whitelist": CONTAINER_FORMATS,
                    "protocol_whitelist": "file",
                    "codec_whitelist": WHITELIST,  # for what is decoded to find the streams
                },
                metadata_errors="replace",
            )
        except (av.error.ArgumentError, av.error.InvalidDataError) as error:
            # So FFmpeg 8.1 and 8.0 name a format that is not listed.
            problem = f"damaged, or of a format that is not read; {FORMAT_NAMES} are"
            raise media_error(source, problem) from error
    with cast(InputContainer, container) as container:
        # Attached fonts and pictures are streams too, and a film may have many.
        count = len(container.streams.video) + len(container.streams.audio)
        if count > MAX_STREAMS or len(container.streams) > MAX_ATTACHED:
            raise media_error(source, f"{count} streams; at most {MAX_STREAMS} are read")
        yield container


@contextmanager
def file_of(source: FileSource) -> Iterator[BinaryIO]:
    """`source` open for reading; one that was open is afterwards where it was."""
    if isinstance(source, str | Path):  # hosts name their files by text
        with Path(source).open("rb") as file:
            yield file
        return
    place = source.tell()
    try:
        yield source
    finally:
        source.seek(place)


def packets(container: InputContainer, stream: VideoStream | AudioStream) -> Iterator[av.Packet]:
    """The packets of `stream` from the position of `container`, and the empty one that ends them.

    In FLV and MPEG-TS a stream may begin half-way. PyAV does not know it and fails at each of its
    packets; they are passed over.
    """
    while True:
        try:
            yield from container.demux(stream)
            return
        except IndexError:
            continue


def side_data(frame: av.VideoFrame, kind: Type, size: int) -> bytes | None:
    """The side data of `kind` of `frame`; None where there is none of at least `size` bytes."""
    container = cast(SideDataContainer, frame.side_data)
    try:
        values = bytes(cast(bytearray, container[kind]))  # a buffer
    except KeyError:
        return None
    return values if len(values) >= size else None
