"""Frame times of a file: by its header if that is consistent, else by time stamps."""

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, pairwise
from statistics import median

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from .container import (
    MAX_FILE_FPS,
    MAX_FILE_SECONDS,
    MAX_FPS,
    FileSource,
    media_error,
    media_errors,
    packets,
)

LEAD_SECONDS = 10  # the first packet may precede the first picture by some frames
SAMPLED = 300  # packets whose stamps represent the whole file
STEADY = Fraction(1, 100)  # tolerance between the rates that a header states and implies
ROUNDED = Fraction(2, 100)  # tolerance of a rate from stamps in milliseconds
USUAL = [Fraction(n) for n in (24, 25, 30, 48, 50, 60, 100, 120)]
GIF = "gif"
AVI = "avi"  # stores frames in decoding order, without any stamp
BROADCAST = ("mpegts", "mpeg")  # their headers have no length, FFmpeg estimates one
MAX_STEP_BACK = 1  # seconds of decoding time, which never runs backward
TAGGED = re.compile(r"(\d{1,3}):(\d\d):(\d\d(?:\.\d{1,9})?)", re.ASCII)

Stamp = tuple[Fraction, Fraction]
"""Presentation time and duration of a packet, in seconds of the file's clock; 0 if unknown."""


def tick(stream: VideoStream) -> Fraction:
    """Seconds of one step of the clock of `stream`."""
    return stream.time_base or Fraction(1, av.time_base)


def origin(stream: VideoStream, first: Fraction = Fraction(0)) -> Fraction:
    """The time of the first frame, in seconds of the file's clock.

    `first` is the earliest stamp: FFmpeg knows no start of a recording of a single frame.
    """
    return first if stream.start_time is None else stream.start_time * tick(stream)


def stamp_of(container: InputContainer, packet: av.Packet) -> int | None:
    """The time of `packet` in steps of its stream's clock; None if it has none."""
    by_decoding = packet.pts is None or container.format.name == AVI
    return packet.dts if by_decoding else packet.pts


def decoding_delay(
    container: InputContainer, stream: VideoStream, first: av.VideoFrame
) -> int | None:
    """The decoding time of the `first` frame of an AVI beyond its display time; None elsewhere.

    FFmpeg numbers the packets of an AVI and takes these numbers for display times, which is wrong
    where frames are reordered. Frames leave the decoder in display order.
    """
    if container.format.name != AVI or first.dts is None:
        return None
    return first.dts - (stream.start_time or 0)


def rewind(container: InputContainer, stream: VideoStream) -> None:
    """Seeks to the first frame. MPEG-TS needs a time before it, which others may refuse."""
    try:
        container.seek(int((origin(stream) - LEAD_SECONDS) / tick(stream)), stream=stream)
    except FFmpegError:
        container.seek(stream.start_time or 0, stream=stream)


def frame_rate_of(source: FileSource, container: InputContainer, stream: VideoStream) -> Fraction:
    """The rate at which the frames of `stream` follow each other.

    If the header has none, or one that the stamps contradict (recordings of browsers, GIFs with a
    pause), it is the rate of most frames: 1 over the median step of their stamps.
    """
    average, base = stream.average_rate, stream.base_rate
    steady = average and base and abs(average - base) <= STEADY * base
    if not steady or not average or average > MAX_FPS:
        measured = _sampled_rate(source, container, stream)
        average = measured or average or stream.guessed_rate
    if not average or not 0 < average <= MAX_FILE_FPS:
        raise media_error(source, f"{average or 0} frames a second; up to {MAX_FILE_FPS} are read")
    return average


def header_seconds(source: FileSource, container: InputContainer, stream: VideoStream) -> float:
    """The duration of the frames by the header, in seconds; 0 without one."""
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    else:  # of a whole Matroska file, which sound or text may exceed; its track has a tag
        seconds = _tagged_seconds(stream) or (container.duration or 0) / av.time_base
        begin = float(origin(stream))
        if 0 < begin < seconds:  # Matroska and FLV count from 0 of a clock that may have gone on
            seconds -= begin
    return _checked(source, seconds)


def header_frames(
    container: InputContainer, stream: VideoStream, fps: Fraction, seconds: float
) -> int | None:
    """The number of displayed frames by the header; None without one."""
    if container.format.name in BROADCAST:
        return None
    implied = round(seconds * (stream.average_rate or fps)) or None
    if stream.frames and implied and stream.duration:
        return min(stream.frames, implied)  # an edit list may select a part
    return stream.frames or implied


def measured_seconds(
    source: FileSource, container: InputContainer, stream: VideoStream
) -> Fraction:
    """The duration of the frames of `stream` in seconds, by the header or else by stamps."""
    if stream.frames and stream.duration and container.format.name != GIF:
        seconds = stream.duration * tick(stream)
    else:
        step = 1 / frame_rate_of(source, container, stream)
        first, last = Fraction(MAX_FILE_SECONDS), None
        with media_errors(source, "be read further"):
            for time, stays in _stamps(source, container, stream):
                end = time + stay_of(stays, step)
                first, last = min(first, time), max(last or end, end)
        if last is None:
            raise media_error(source, "its frames have no times; re-encode it")
        seconds = last - origin(stream, first)
    _checked(source, float(seconds))
    return seconds


def stay_of(stays: Fraction, step: Fraction) -> Fraction:
    """The duration of a frame: its own, but that of the others if it is a hundredth of a second,
    as in the last frame of many GIFs."""
    return stays if 2 * stays >= step else step


def frame_times(
    source: FileSource, container: InputContainer, stream: VideoStream
) -> list[Fraction] | None:
    """The time of each frame of `stream`, in seconds from the first, without decoding.

    None if only a decoder knows which packets become frames: a recording may begin between key
    frames, or be damaged.
    """
    step = tick(stream)
    times: list[Fraction] = []
    first = None
    with media_errors(source, "be read further"):
        for packet in packets(container, stream):
            if not packet.size:
                continue
            stamp = stamp_of(container, packet)
            if first is None and packet.is_keyframe:
                first = stamp
            if stamp is None or first is None or stamp < first or packet.is_corrupt:
                return None
            if not packet.is_discard:  # what an edit list hides
                times.append(stamp * step)
    begin = origin(stream, min(times, default=Fraction(0)))
    return sorted(time - begin for time in times if time >= begin)


def _checked(source: FileSource, seconds: float) -> float:
    if not 0 <= seconds <= MAX_FILE_SECONDS:
        raise media_error(source, f"{seconds:.0f} s long; at most {MAX_FILE_SECONDS} s are read")
    return seconds


def _tagged_seconds(stream: VideoStream) -> float:
    """The duration of a track of Matroska by its tag, in seconds; 0 without one."""
    match = TAGGED.fullmatch(stream.metadata.get("DURATION", ""))
    hours, minutes, seconds = match.groups() if match else (0, 0, 0)
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def _stamps(source: FileSource, container: InputContainer, stream: VideoStream) -> Iterator[Stamp]:
    step = tick(stream)
    latest = None
    for packet in packets(container, stream):
        stamp = stamp_of(container, packet)
        if packet.dts is not None and container.format.name in BROADCAST:
            if latest is not None and (latest - packet.dts) * step > MAX_STEP_BACK:
                problem = "its clock starts again half-way: parts that were joined as bytes"
                raise media_error(source, f"{problem}; join them with a tool, or re-encode it")
            latest = packet.dts
        if stamp is not None and packet.size and not packet.is_discard:
            yield stamp * step, (packet.duration or 0) * step


def _sampled_rate(
    source: FileSource, container: InputContainer, stream: VideoStream
) -> Fraction | None:
    """The rate of most of the first frames by their stamps; one of `USUAL` if near to it."""
    with media_errors(source, "be read further"):
        times = sorted({time for time, _ in islice(_stamps(source, container, stream), SAMPLED)})
        rewind(container, stream)  # the frames are still to be read
    steps = [float(later - sooner) for sooner, later in pairwise(times)]
    if not steps or median(steps) * MAX_FILE_FPS < 1:
        return None  # a damaged file may claim any rate
    rate = 1 / Fraction(median(steps)).limit_denominator(100_000)
    # Stamps in milliseconds are 33 and 34 at 30 frames a second.
    return next((usual for usual in USUAL if abs(rate - usual) <= ROUNDED * usual), rate)
