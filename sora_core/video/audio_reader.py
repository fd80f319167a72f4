"""Streaming sound from a media file, in sync with its frames.

Axes: c channels, n samples.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import torch
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from einops import repeat

from .audio import LAYOUTS, Samples
from .container import FileSource, media_error, media_errors, opened, packets
from .streams import picture_stream, sound_stream
from .timing import origin

MAX_FILE_RATE = 768_000
SYNC_TOLERANCE = Fraction(
    1, 20
)  # of a second; containers round times, so only larger gaps are filled
PIECE_SAMPLES = 48_000  # samples of silence, or of sound in memory, at a time


@dataclass(frozen=True, slots=True)
class SoundInfo:
    """The format of a file's sound: samples a second, and 1, 2 or 6 channels."""

    rate: int
    channels: int


def probe_sound(source: FileSource) -> SoundInfo | None:
    """The format of the sound of `source`; None if it has none."""
    with opened(source) as container:
        stream = sound_stream(source, container)
        return None if stream is None else _audio_info(source, stream)


def read_sound(source: FileSource, start: Fraction = Fraction(0)) -> Iterator[Samples]:
    """The sound of `source` at its own rate, from `start` seconds after its first video frame.

    Decoding starts at the beginning of the file, since seeking would lose exact sample positions.
    A late start and gaps are filled with silence.
    """
    with opened(source) as container:
        stream = sound_stream(source, container)
        if stream is None:
            return
        rate = _audio_info(source, stream).rate
        left = round(start * rate)  # to leave out
        for samples in _in_step(_sample_pieces(source, container, stream), rate):
            count = samples.shape[1]
            if left < count:
                yield samples[:, left:]
            left = max(0, left - count)


def resampled(chunks: Iterable[Samples], rate: Fraction, wanted: int) -> Iterator[Samples]:
    """`chunks` at `rate` samples a second, resampled to `wanted` unless the two are equal.

    The first sample and the length in seconds stay the same.
    """
    if rate == wanted:
        yield from chunks
        return
    resampler = None
    for chunk in chunks:
        resampler = resampler or AudioResampler("fltp", LAYOUTS[len(chunk)], wanted)
        pieces = chunk.float().cpu().contiguous().numpy()
        frame = av.AudioFrame.from_ndarray(pieces, format="fltp", layout=LAYOUTS[len(chunk)])
        frame.sample_rate = round(rate)
        yield from _sample_tensors(resampler.resample(frame))
    if resampler is not None:
        yield from _sample_tensors(resampler.resample(None))


def in_channels(samples: Samples, channels: int) -> Samples:
    """`samples` with `channels` channels, no fewer than they have; mono goes left and right."""
    if len(samples) == 1 and channels > 1:
        samples = repeat(samples, "1 n -> 2 n")
    silent = samples.new_zeros(channels - len(samples), samples.shape[1])
    return torch.cat([samples, silent])


def _audio_info(source: FileSource, stream: AudioStream) -> SoundInfo:
    if not 0 < stream.rate <= MAX_FILE_RATE:
        raise media_error(source, f"sound at {stream.rate} Hz; up to {MAX_FILE_RATE} Hz are read")
    return SoundInfo(stream.rate, stream.channels if stream.channels in LAYOUTS else 2)


TimedSamples = tuple[Fraction | None, Samples]
"""The time of a piece, counted from the first frame of the video, and the piece."""


def _sample_pieces(
    source: FileSource, container: InputContainer, stream: AudioStream
) -> Iterator[TimedSamples]:
    info = _audio_info(source, stream)
    resampler = AudioResampler("fltp", LAYOUTS[info.channels], info.rate)
    picture = picture_stream(container)
    begin = Fraction(0) if picture is None else origin(picture)
    first = None
    with media_errors(source, "be heard further"):
        for frame in _decoded(container, stream):
            form = frame.format.name, frame.layout.name, frame.sample_rate
            first = first or form
            if form != first:
                raise media_error(source, "its sound changes its format half-way; re-encode it")
            time = None
            if frame.pts is not None and frame.time_base is not None:
                time = frame.pts * frame.time_base - begin
            frame.pts = None
            for samples in _sample_tensors(resampler.resample(frame)):
                yield time, samples
                time = None


def _decoded(container: InputContainer, stream: AudioStream) -> Iterator[av.AudioFrame]:
    for packet in packets(container, stream):
        yield from stream.decode(packet)


def _in_step(pieces: Iterator[TimedSamples], rate: int) -> Iterator[Samples]:
    """The pieces in sequence: early samples are dropped, gaps are silent."""
    yielded, begun = 0, False
    for time, samples in pieces:
        ahead = 0 if time is None else round(time * rate) - yielded
        if not begun and ahead < 0:
            samples = samples[:, -ahead:]
            begun = samples.shape[1] > 0
        elif not begun or ahead > SYNC_TOLERANCE * rate:
            begun = True
            while ahead > 0:
                silent = samples.new_zeros(len(samples), min(ahead, PIECE_SAMPLES))
                ahead -= silent.shape[1]
                yielded += silent.shape[1]
                yield silent
        yielded += samples.shape[1]
        if samples.shape[1]:
            yield samples


def _sample_tensors(frames: Iterable[av.AudioFrame]) -> Iterator[Samples]:
    for frame in frames:
        yield torch.from_numpy(frame.to_ndarray())
