"""Frames out of a video file as they are needed: constant memory, whatever its length."""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain

import av
import torch
from av.container import InputContainer
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8
from torch import Tensor

from ..errors import MediaError
from ..shapes import Frames
from .container import Source, frame_rate, media_error, media_errors, opened
from .frames import resize
from .probe import MediaInfo, check_size, decoded, inspect

CHUNK_BYTES = 16 * 2**20
CHUNK_FRAMES = 32
MAX_STILL_SECONDS = 600  # a damaged time stamp may claim that one frame stands for years
HEADER_TOLERANCE = 0.02  # some headers give only a duration and an average rate
SEEK_BACK = 2  # seconds
HD_ROWS = 720
UNSPECIFIED = 2

Timed = tuple[Fraction, Fraction, av.VideoFrame]
"""When a frame appears, counted from the asked start; how long it stays; the frame."""


def read_frames(
    source: Source,
    *,
    start: float = 0.0,
    seconds: float | None = None,
    fps: Fraction | float | None = None,
    size: tuple[int, int] | None = None,
    on_frame: Callable[[int], None] = lambda count: None,
    on_damage: Callable[[str], None] = lambda sentence: None,
) -> Iterator[Frames]:
    """The video from `start` for `seconds`, upright, in chunks of a few frames.

    `fps` None gives each frame once, which is uneven in time where the file's rate varies; else
    each moment takes the frame nearest in time. `size` is (width, height), reached by stretching.
    `on_frame` gets the number of frames so far and may raise to stop. `on_damage` gets one sentence
    where a file that can be read to its end does not hold what its header promises.
    """
    for name, value in (("start", start), ("seconds", seconds or 0)):
        if not (math.isfinite(value) and value >= 0):
            raise MediaError(f"{name} {value}: choose 0 or more seconds")
    rate = None if fps is None else frame_rate(fps)
    begin = Fraction(start).limit_denominator(10**6)
    span = None if seconds is None else Fraction(seconds).limit_denominator(10**6)

    with opened(source) as container:
        info, stream, frames = inspect(source, container)
        if begin:
            frames = _frames_from(source, container, stream, begin)
        timed = _timed(stream, info, frames, begin)
        if not begin and span is None:
            timed = _watched(timed, info, on_damage)
        chosen = _each_once(timed, span) if rate is None else _at_rate(source, timed, span, rate)
        given = 0
        for chunk in _chunks(source, chosen, info, size, on_frame):
            given += len(chunk)
            yield chunk
        if not given:
            raise media_error(source, f"no frame at {start} s; it lasts {info.seconds:.2f} s")


def in_a_chunk(width: int, height: int) -> int:
    """How many frames are given at a time: few, where they are large."""
    return max(1, min(CHUNK_FRAMES, CHUNK_BYTES // (3 * width * height)))


def _frames_from(
    source: Source,
    container: InputContainer,
    stream: VideoStream,
    begin: Fraction,
    earlier: int = 0,
) -> Iterator[av.VideoFrame]:
    """Frames from one at or before `begin` on, found by looking further and further back."""
    offset = _origin(stream) + max(Fraction(0), begin - earlier)
    ticks = int(offset / _tick(stream))
    with media_errors(source, "be searched"):
        container.seek(ticks, stream=stream)
    frames = decoded(source, container, stream)
    first = next(frames, None)
    # What comes just before an open key frame needs the key frame before it.
    if (first is None or first.pts is None or first.pts > ticks) and earlier < begin:
        return _frames_from(source, container, stream, begin, max(SEEK_BACK, 5 * earlier))
    return frames if first is None else chain([first], frames)


def _tick(stream: VideoStream) -> Fraction:
    return stream.time_base or Fraction(1, av.time_base)


def _origin(stream: VideoStream) -> Fraction:
    return (stream.start_time or 0) * _tick(stream)


def _timed(
    stream: VideoStream, info: MediaInfo, frames: Iterator[av.VideoFrame], begin: Fraction
) -> Iterator[Timed]:
    origin, tick = _origin(stream), _tick(stream)
    expected = origin
    for frame in frames:
        time = expected if frame.pts is None else frame.pts * tick
        stays = frame.duration * tick if frame.duration else 1 / info.fps
        expected = time + stays
        yield time - origin - begin, stays, frame


def _watched(
    timed: Iterator[Timed], info: MediaInfo, on_damage: Callable[[str], None]
) -> Iterator[Timed]:
    """`timed`, its end compared with what the header of the file promises."""
    count, backward, end = 0, 0, Fraction(0)
    for time, stays, frame in timed:
        count += 1
        backward += time + stays <= end
        end = time + stays
        yield time, stays, frame
    if backward:
        on_damage(f"{backward} of {count} frames lie out of order in time")
    elif info.frames and abs(count - info.frames) > info.frames * HEADER_TOLERANCE + 1:
        on_damage(f"{count} frames can be read, the header promises {info.frames}")


def _each_once(timed: Iterator[Timed], span: Fraction | None) -> Iterator[av.VideoFrame]:
    """The frames whose middle lies in the span; if none does, the one on screen at its start."""
    on_screen, given = None, False
    for time, stays, frame in timed:
        middle = time + stays / 2
        if span is not None and middle >= span and (given or time > 0):
            break
        if on_screen is None and time + stays > 0:
            on_screen = frame
        if middle >= 0 and (span is None or middle < span):
            yield frame
            given = True
    if on_screen is not None and not given:
        yield on_screen


def _at_rate(
    source: Source, timed: Iterator[Timed], span: Fraction | None, rate: Fraction
) -> Iterator[av.VideoFrame]:
    """For each moment 0, 1 / rate, 2 / rate, ... the frame that appears nearest to it."""
    wanted = None if span is None else max(1, round(span * rate))
    given, end, held = 0, Fraction(0), None
    for time, stays, frame in timed:
        if held is not None:
            if max(stays, time - held[0]) > MAX_STILL_SECONDS:
                problem = f"one frame stays longer than {MAX_STILL_SECONDS} s; re-encode it"
                raise media_error(source, problem)
            while given / rate - held[0] <= time - given / rate:
                if given == wanted:
                    return
                yield held[1]
                given += 1
        held, end = (time, frame), time + stays
    if held is not None and end > 0:
        total = max(1, round(end * rate))
        for _ in range(given, total if wanted is None else min(wanted, total)):
            yield held[1]


def _chunks(
    source: Source,
    frames: Iterator[av.VideoFrame],
    info: MediaInfo,
    size: tuple[int, int] | None,
    on_frame: Callable[[int], None],
) -> Iterator[Frames]:
    width, height = size or (info.width, info.height)
    limit = in_a_chunk(width, height)
    chunk: list[UInt8[Tensor, "y x 3"]] = []
    reformatter = VideoReformatter()  # setting one up costs more than using it
    last, pixels = None, torch.empty(0, dtype=torch.uint8)
    for count, frame in enumerate(frames, start=1):
        if frame is not last:
            last, pixels = frame, _pixels(source, frame, info, reformatter)
            pixels = resize(pixels[None], width, height)[0]
        chunk.append(pixels)
        on_frame(count)
        if len(chunk) == limit:
            yield torch.stack(chunk)
            chunk = []
    if chunk:
        yield torch.stack(chunk)


def _pixels(
    source: Source, frame: av.VideoFrame, info: MediaInfo, reformatter: VideoReformatter
) -> UInt8[Tensor, "y x 3"]:
    check_size(source, frame.width, frame.height)
    width, height = info.width, info.height
    if info.rotation % 180:
        width, height = height, width
    # What names no colour matrix follows the custom: BT.709 if high definition, else BT.601.
    unnamed_hd = frame.colorspace == UNSPECIFIED and frame.height >= HD_ROWS
    with media_errors(source, "be turned into pixels"):
        picture = reformatter.reformat(
            frame,
            width,  # some streams change size half-way
            height,
            format="rgb24",
            src_colorspace=Colorspace.ITU709 if unnamed_hd else None,
            dst_colorspace=Colorspace.ITU601,  # means nothing for RGB; PyAV 16 skips equal matrices
            src_color_range=frame.color_range,
        )
        pixels = torch.from_numpy(picture.to_ndarray())
    turns = info.rotation // 90
    return torch.rot90(pixels, turns, dims=(0, 1)) if turns else pixels
