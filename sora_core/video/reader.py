"""Streaming frames from a video file, in memory that does not depend on its length."""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain

import av
import numpy as np
import torch
from av.container import InputContainer
from jaxtyping import UInt8
from torch import Tensor

from ..errors import MediaError
from ..shapes import Frames
from .colour import FrameConverter
from .container import FileSource, frame_rate, media_error, media_errors, opened
from .deinterlace import deinterlaced
from .frames import resize
from .hdr import NAMES as HDR_CURVES
from .hdr import ToneMapper
from .probe import Inspected, check_size, first_decoded, inspect
from .streams import video_stream
from .timing import frame_times, origin, rewind, stay_of, tick

CHUNK_BYTES = 16 * 2**20
CHUNK_FRAMES = 32
MAX_STILL_SECONDS = 600  # a damaged time stamp may claim that one frame stands for years
HEADER_TOLERANCE = 0.02  # some headers give only a duration and an average rate
SEEK_BACK = 2  # seconds

TimedFrame = tuple[Fraction, Fraction, av.VideoFrame]
"""The time of a frame after the requested start, its duration, and the frame."""


def read_frames(
    source: FileSource,
    *,
    start: float = 0.0,
    seconds: float | None = None,
    fps: Fraction | float | None = None,
    size: tuple[int, int] | None = None,
    on_frame: Callable[[int], None] = lambda count: None,
    on_damage: Callable[[str], None] = lambda sentence: None,
) -> Iterator[Frames]:
    """The video from `start` for `seconds`, upright, in chunks of a few frames.

    `fps` None yields each frame once, unevenly spaced if the file's rate varies; otherwise each
    time takes the frame nearest to it. `size` is (width, height), reached by stretching.
    `on_frame` gets the number of frames so far and may raise to stop. `on_damage` gets one sentence
    if a file that can be read to its end does not match its header.
    """
    chosen = _Choice(start, seconds, fps)
    with opened(source) as container:
        video = inspect(source, container)
        pixels = _Pixels(source, video)
        frames = chosen.frames(source, container, video, on_damage)
        yielded = 0
        displayed = size or (video.info.width, video.info.height)
        for chunk in _chunks(frames, pixels, displayed, on_frame):
            yielded += len(chunk)
            yield chunk
        if not yielded:
            raise media_error(source, f"no frame at {start} s; it lasts {video.info.seconds:.2f} s")


def read_times(source: FileSource) -> list[Fraction]:
    """The time of each frame of `source`, in seconds from the first.

    Frames are decoded only if the packets alone do not determine them.
    """
    with opened(source) as container:
        times = frame_times(source, container, video_stream(source, container))
    if times is not None:
        return times
    with opened(source) as container:
        video = inspect(source, container)
        timed = _timed(video, _stamped(video.frames, video.delay), Fraction(0))
        return [time for time, stays, _ in timed if time + stays / 2 >= 0]


def read_alpha(
    source: FileSource,
    *,
    start: float = 0.0,
    seconds: float | None = None,
    fps: Fraction | float | None = None,
    size: tuple[int, int] | None = None,
) -> Iterator[UInt8[Tensor, "t y x"]]:
    """The alpha, 0 to 255, of the frames that `read_frames` yields for the same arguments."""
    chosen = _Choice(start, seconds, fps)
    with opened(source) as container:
        video = inspect(source, container)
        pixels = _Pixels(source, video, alpha=True)
        frames = chosen.frames(source, container, video, lambda sentence: None)
        for chunk in _chunks(frames, pixels, size or (video.info.width, video.info.height)):
            yield chunk[..., 0]


class _Choice:
    """The requested times of a file."""

    def __init__(self, start: float, seconds: float | None, fps: Fraction | float | None) -> None:
        for name, value in (("start", start), ("seconds", seconds or 0)):
            if not (math.isfinite(value) and value >= 0):
                raise MediaError(f"{name} {value}: choose 0 or more seconds")
        self.rate = None if fps is None else frame_rate(fps)
        self.begin = Fraction(start).limit_denominator(10**6)
        self.span = None if seconds is None else Fraction(seconds).limit_denominator(10**6)

    def frames(
        self,
        source: FileSource,
        container: InputContainer,
        video: Inspected,
        on_damage: Callable[[str], None],
    ) -> Iterator[av.VideoFrame]:
        """The chosen frames, deinterlaced; with a rate, one frame may come several times.

        `video` is what `inspect` returns for `container`, which may be searched. `on_damage` gets a
        sentence where a file read from start to end differs from its header. MediaError, here or
        while the frames are read, for a file that cannot be searched or decoded.
        """
        frames = video.frames
        if self.begin:
            frames = _frames_from(source, container, video, self.begin)
        timed = _timed(video, deinterlaced(_stamped(frames, video.delay)), self.begin)
        if not self.begin and self.span is None:
            timed = _watched(timed, video, on_damage)
        if self.rate is None:
            return _each_once(timed, self.span)
        return _at_rate(source, timed, self.span, self.rate)


def frames_per_chunk(width: int, height: int) -> int:
    """The number of frames in a chunk: few if they are large."""
    return max(1, min(CHUNK_FRAMES, CHUNK_BYTES // (3 * width * height)))


def _frames_from(
    source: FileSource,
    container: InputContainer,
    video: Inspected,
    begin: Fraction,
    earlier: int = 0,
) -> Iterator[av.VideoFrame]:
    """Frames from one at or before `begin` on, found by seeking farther and farther back."""
    stream = video.stream
    offset = origin(stream) + max(Fraction(0), begin - earlier)
    ticks = int(offset / tick(stream))
    with media_errors(source, "be searched"):
        if earlier < begin:
            container.seek(ticks, stream=stream)
        else:
            rewind(container, stream)
    frames = first_decoded(source, container, stream, video.alpha_beside)
    first = next(frames, None)
    # What comes just before an open key frame needs the key frame before it.
    if (first is None or first.pts is None or first.pts > ticks) and earlier < begin:
        return _frames_from(source, container, video, begin, max(SEEK_BACK, 5 * earlier))
    return frames if first is None else chain([first], frames)


def _stamped(frames: Iterator[av.VideoFrame], delay: int | None) -> Iterator[av.VideoFrame]:
    """`frames` with their display times as `pts`, which alone passes through a filter.

    `delay` is that of `Inspected`.
    """
    for frame in frames:
        if delay is not None:
            frame.pts = None if frame.dts is None else frame.dts - delay
        elif frame.pts is None:
            frame.pts = frame.dts
        yield frame


def _timed(
    video: Inspected, frames: Iterator[av.VideoFrame], begin: Fraction
) -> Iterator[TimedFrame]:
    start, expected = None, Fraction(0)
    for frame in frames:
        step = frame.time_base or tick(video.stream)
        if start is None:
            start = expected = origin(video.stream, (frame.pts or 0) * step)
        time = expected if frame.pts is None else frame.pts * step
        stays = stay_of((frame.duration or 0) * step, 1 / video.info.fps)
        expected = time + stays
        yield time - start - begin, stays, frame


def _watched(
    timed: Iterator[TimedFrame], video: Inspected, on_damage: Callable[[str], None]
) -> Iterator[TimedFrame]:
    """`timed`; its end is compared with the header of the file."""
    promised, seconds = video.info.frames, video.info.seconds
    count, backward, end = 0, 0, Fraction(0)
    for time, stays, frame in timed:
        count += 1
        backward += time + stays <= end
        end = time + stays
        yield time, stays, frame
    if backward:
        on_damage(f"{backward} of {count} frames lie out of order in time")
    elif promised and video.stream.frames:
        if abs(count - promised) > promised * HEADER_TOLERANCE + 1:
            on_damage(f"{count} frames can be read, the header promises {promised}")
    elif promised and abs(end - seconds) > seconds * HEADER_TOLERANCE + 1 / video.info.fps:
        on_damage(f"{float(end):.2f} s can be read, the header promises {seconds:.2f} s")


def _each_once(timed: Iterator[TimedFrame], span: Fraction | None) -> Iterator[av.VideoFrame]:
    """The frames whose middle lies in the span; if none does, the one on screen at its start."""
    on_screen, yielded = None, False
    for time, stays, frame in timed:
        middle = time + stays / 2
        if span is not None and middle >= span and (yielded or time > 0):
            break
        if on_screen is None and time + stays > 0:
            on_screen = frame
        if middle >= 0 and (span is None or middle < span):
            yield frame
            yielded = True
    if on_screen is not None and not yielded:
        yield on_screen


def _at_rate(
    source: FileSource, timed: Iterator[TimedFrame], span: Fraction | None, rate: Fraction
) -> Iterator[av.VideoFrame]:
    """For each time 0, 1 / rate, 2 / rate, ... the frame nearest to it."""
    wanted = None if span is None else max(1, round(span * rate))
    yielded, end, held = 0, Fraction(0), None
    for time, stays, frame in timed:
        if held is not None:
            if max(stays, time - held[0]) > MAX_STILL_SECONDS:
                problem = f"one frame stays longer than {MAX_STILL_SECONDS} s; re-encode it"
                raise media_error(source, problem)
            while yielded / rate - held[0] <= time - yielded / rate:
                if yielded == wanted:
                    return
                yield held[1]
                yielded += 1
        held, end = (time, frame), time + stays
    if held is not None and end > 0:
        total = max(1, round(end * rate))
        for _ in range(yielded, total if wanted is None else min(wanted, total)):
            yield held[1]


class _Pixels:
    """Decoded frames of one file as pixels, upright, of SDR, or their alpha as one channel."""

    def __init__(self, source: FileSource, video: Inspected, *, alpha: bool = False) -> None:
        self.source, self.video, self.alpha = source, video, alpha
        self.converter = FrameConverter(*video.coded)
        context = video.stream.codec_context
        self.curve, self.primaries = context.color_trc, context.color_primaries
        self.tones: ToneMapper | None = None

    def __call__(self, frame: av.VideoFrame) -> UInt8[Tensor, "y x c"]:
        check_size(self.source, frame.width, frame.height)
        with media_errors(self.source, "be turned into pixels"):
            pixels = self._converted(frame)
        upright = self.video.orientation.upright(self.video.crop.cut(pixels))
        return torch.from_numpy(np.ascontiguousarray(upright))

    def _converted(self, frame: av.VideoFrame) -> UInt8[np.ndarray, "y x c"]:
        if self.alpha:
            return self.converter.alpha(frame)[..., None]
        if self.curve not in HDR_CURVES:
            return self.converter.rgb(frame)
        if self.tones is None:
            self.tones = ToneMapper(self.curve, self.primaries, frame)
        return self.tones(self.converter.rgb_16(frame))


def _chunks(
    frames: Iterator[av.VideoFrame],
    pixels_of: Callable[[av.VideoFrame], UInt8[Tensor, "y x c"]],
    size: tuple[int, int],
    on_frame: Callable[[int], None] = lambda count: None,
) -> Iterator[UInt8[Tensor, "t y x c"]]:
    width, height = size
    limit = frames_per_chunk(width, height)
    chunk: list[UInt8[Tensor, "y x c"]] = []
    last, pixels = None, torch.empty(0, dtype=torch.uint8)
    for count, frame in enumerate(frames, start=1):
        if frame is not last:
            last, pixels = frame, resize(pixels_of(frame)[None], width, height)[0]
        chunk.append(pixels)
        on_frame(count)
        if len(chunk) == limit:
            yield torch.stack(chunk)
            chunk = []
    if chunk:
        yield torch.stack(chunk)
