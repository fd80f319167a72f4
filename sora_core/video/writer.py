"""Writes streamed frames to a video file: constant memory, and a complete file or none."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import cast

import av
import av.error
import torch
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from jaxtyping import UInt8
from torch import Tensor

from ..files import replacing
from ..shapes import Frames
from .audio import Audio, AudioTrack
from .codecs import MUXERS, Codec, codec_for
from .colour import BT709, YuvWriter
from .container import MAX_FILE_SIDE, MAX_PIXELS, frame_rate, media_error, media_errors

LIMITED_RANGE = 1
WAITING_FRAMES = 8


def write_video(
    path: Path | str,
    chunks: Iterable[Frames],
    fps: Fraction | float,
    *,
    codec: str = "h264",
    crf: int | None = None,
    audio: Audio | AudioTrack | None = None,
    metadata: Mapping[str, str] = MappingProxyType({}),
    on_frame: Callable[[int], None] = lambda count: None,
) -> Path:
    """`path`, after the complete video of all `chunks` at `fps` is written there.

    Encoding runs on its own thread, at most `WAITING_FRAMES` behind. `crf` is the codec's quality
    number, lower is better. `audio` starts with the video and is cut to its length. `on_frame` gets
    the number of frames taken so far and may raise to stop. Errors of `chunks` and
    `on_frame` pass through, those of disk and codec become a MediaError; after either `path` is
    unchanged.
    """
    path, rate = Path(path), frame_rate(fps)
    settings = codec_for(path.suffix.lower(), codec, crf)
    with _saving(path) as unfinished:
        frames = _each(path, chunks)
        first = next(frames, None)
        if first is None:
            raise media_error(path, "no frames to write; give at least one")
        with _Encoder(path, unfinished, first, rate, settings, crf, audio, metadata) as encoder:
            _encode_behind(encoder, chain([first], frames), on_frame)
    return path


@contextmanager
def _saving(path: Path) -> Iterator[Path]:
    """`replacing`, with its own errors as MediaError; those of the block pass through."""
    with ExitStack() as stack:
        with media_errors(path, "be written"):
            unfinished = stack.enter_context(replacing(path))
            with unfinished.open("xb"):  # a folder that cannot be written fails before any work
                pass
        yield unfinished
        with media_errors(path, "be written"):
            stack.close()


def _each(path: Path, chunks: Iterable[Frames]) -> Iterator[UInt8[Tensor, "y x 3"]]:
    size: torch.Size | None = None
    for chunk in chunks:
        if chunk.dtype != torch.uint8 or chunk.ndim != 4 or chunk.shape[3] != 3:
            got = f"{chunk.dtype} {tuple(chunk.shape)}"
            raise media_error(path, f"frames are {got}; give uint8 [frames, height, width, 3]")
        size = size or chunk.shape[1:3]
        if chunk.shape[1:3] != size:
            change = f"{size[1]}x{size[0]} to {chunk.shape[2]}x{chunk.shape[1]}"
            raise media_error(path, f"frames change size from {change}; give one size")
        yield from chunk


def _encode_behind(
    encoder: "_Encoder",
    frames: Iterator[UInt8[Tensor, "y x 3"]],
    on_frame: Callable[[int], None],
) -> None:
    """Passes all frames to `encoder` on a thread that has ended when this returns or raises."""
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encode video")
    waiting: deque[Future[None]] = deque()
    try:
        for count, frame in enumerate(frames, start=1):
            if len(waiting) == WAITING_FRAMES:
                waiting.popleft().result()
            waiting.append(thread.submit(encoder.add, frame))
            on_frame(count)
        for encoded in waiting:
            encoded.result()
    finally:
        thread.shutdown(cancel_futures=True)


class _Encoder:
    """An open file that encodes frame by frame, each with its part of the sound."""

    def __init__(
        self,
        path: Path,
        unfinished: Path,
        first: UInt8[Tensor, "y x 3"],
        rate: Fraction,
        settings: Codec,
        crf: int | None,
        audio: Audio | AudioTrack | None,
        metadata: Mapping[str, str],
    ) -> None:
        height, width = first.shape[:2]
        if max(width, height) > MAX_FILE_SIDE or width * height > MAX_PIXELS:
            limit = f"{MAX_FILE_SIDE} px a side and {MAX_PIXELS} px in all"
            raise media_error(path, f"{width}x{height} is too large; at most {limit}")
        if min(width, height) < settings.min_side:
            limit = f"at least {settings.min_side} px a side, or h264, which takes any"
            raise media_error(path, f"{width}x{height} is too small for this codec: {limit}")
        self.path, self.rate, self.settings, self.audio = path, rate, settings, audio
        self.count = 0
        self.pixels = settings.odd if width % 2 or height % 2 else settings.pixels
        self.yuv = YuvWriter(width, height, self.pixels) if settings.is_yuv else None
        muxer = MUXERS[path.suffix.lower()]
        # mp4 stores unusual keys only by request; with the index in front a browser starts at once.
        options = {} if muxer == "matroska" else {"movflags": "use_metadata_tags+faststart"}
        with media_errors(path, "be written"):
            self.container: OutputContainer = av.open(
                str(unfinished.absolute()), "w", format=muxer, options=options
            )
            self.container.metadata.update(metadata)
            self._add_streams(width, height, crf)

    def _add_streams(self, width: int, height: int, crf: int | None) -> None:
        options = dict(self.settings.options)
        if self.yuv is not None and self.yuv.halving is not None:
            options["chroma_sample_location"] = "left"  # as `YuvWriter` places it
        if self.settings.crf is not None:
            options["crf"] = str(self.settings.crf if crf is None else crf)
        stream = self.container.add_stream(self.settings.encoder, rate=self.rate, options=options)
        self.video = cast(VideoStream, stream)
        self.video.width, self.video.height = width, height
        self.video.pix_fmt = self.pixels
        context = self.video.codec_context
        if self.container.format.name == "matroska":
            context.max_b_frames = 0  # its frames have no decoding times, which some copiers need
        if self.settings.is_yuv:
            context.color_range = LIMITED_RANGE
            context.colorspace = context.color_trc = context.color_primaries = BT709
        if self.settings.tag and self.container.format.name != "matroska":
            context.codec_tag = self.settings.tag
        if self.audio is not None:
            stream = self.container.add_stream(
                "aac", rate=self.audio.rate, layout=self.audio.layout
            )
            self.sound = cast(AudioStream, stream)

    def add(self, frame: UInt8[Tensor, "y x 3"]) -> None:
        """Encodes `frame` as the next one, with the sound that plays during it, into the file.

        `frame` must have the size of the first. MediaError where the codec or the disk fails.
        """
        with media_errors(self.path, "be written"):
            picture = self._picture(frame)
            picture.pts, picture.time_base = self.count, 1 / self.rate
            self.container.mux(self.video.encode(picture))
            start, end = self.count / self.rate, (self.count + 1) / self.rate
            if self.audio is not None and (share := self.audio.during(start, end)) is not None:
                self.container.mux(self.sound.encode(share))
            self.count += 1

    def _picture(self, frame: UInt8[Tensor, "y x 3"]) -> av.VideoFrame:
        if self.yuv is not None:
            return self.yuv.frame(frame)
        picture = av.VideoFrame.from_ndarray(frame.cpu().contiguous().numpy(), format="rgb24")
        return picture.reformat(format=self.pixels)

    def __enter__(self) -> "_Encoder":
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            with suppress(av.error.FFmpegError, OSError):  # the file is discarded anyway
                self.container.close()
            return
        with media_errors(self.path, "be written"), self.container:  # closed even if this fails
            for packet in self.video.encode():
                if self.count <= 2:  # too few to reorder; x265 is not deterministic then
                    packet.dts = packet.pts
                self.container.mux(packet)
            if self.audio is not None:
                self.container.mux(self.sound.encode())
