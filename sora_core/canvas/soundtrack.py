"""The sound of a canvas: that of its footage, where the footage lies.

Axes: c channels, n samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from ..errors import MediaError
from ..video.audio import LAYOUTS, Audio, AudioTrack, Samples
from ..video.audio_reader import SoundInfo, in_channels, probe_sound, read_sound, resampled
from ..video.container import frame_rate
from .canvas import Canvas, Placement, Sound
from .canvas_latent import Allocate
from .rasterize import first_frame, visible_range

SAMPLE_RATES = (
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000,
)  # fmt: skip
"""Samples a second that AAC knows."""


@dataclass(frozen=True, slots=True)
class Part:
    """A placement that is heard from sample `begin` to before `end` of the canvas.

    `skip` is the second of its source that is heard first.
    """

    placement: Placement
    info: SoundInfo
    begin: int
    end: int
    skip: Fraction

    def chunks(self, rate: int, channels: int) -> Iterator[Samples]:
        """Its sound as the canvas has it."""
        source, speed = self.placement.source, exact(self.placement.speed)
        if isinstance(source, Tensor):
            samples = self.placement.sound[0] if self.placement.sound else torch.empty(1, 0)
            own = iter(samples[:, round(self.skip * self.info.rate) :].split(self.info.rate, dim=1))
        else:
            own = read_sound(source, self.skip)
        for chunk in resampled(own, self.info.rate * speed, rate):
            yield in_channels(chunk, channels)


def canvas_sound(canvas: Canvas) -> AudioTrack | None:
    """The sound of `canvas`, exactly as long as it; None where no footage has any.

    Footage is heard where it lies, from its sample that belongs to its first frame on it, and
    silence is elsewhere. Where several lie, the latest with a sound is heard alone. The rate is the
    highest among them, and what has another is resampled.
    """
    audible = [
        (placement, info) for placement in canvas.placements if (info := _media_info(placement))
    ]
    if not audible:
        return None
    rate = known_rate(max(info.rate for _, info in audible))
    channels = max(info.channels for _, info in audible)
    total = sample_count(canvas, rate)
    parts = [part for each in audible for part in _parts(canvas, *each, rate, total)]
    return AudioTrack(_mixed(parts, rate, channels, total), rate, channels)


def recorded_sound(canvas: Canvas, allocate: Allocate = torch.zeros) -> Audio | None:
    """`canvas_sound`, all of it: the footage is not needed afterwards."""
    track = canvas_sound(canvas)
    if track is None:
        return None
    samples, done = allocate((track.channels, sample_count(canvas, track.rate))), 0
    for chunk in track.chunks:
        samples[:, done : done + chunk.shape[1]] = chunk
        done += chunk.shape[1]
    return Audio(samples, track.rate)


def sample_count(canvas: Canvas, rate: int) -> int:
    """How many samples at `rate` last as long as `canvas`."""
    return round(canvas.size.frames / frame_rate(canvas.fps) * rate)


def sound_alone(sound: Sound, frames: int, fps: float) -> AudioTrack:
    """`sound` from the start of a video of `frames` frames, cut or filled to its length."""
    placement = Placement(source=torch.zeros(1, 1, 1, 3), sound=sound)
    info = _sound_info(sound)
    rate = known_rate(info.rate)
    total = round(frames / frame_rate(fps) * rate)
    part = Part(placement, info, 0, total, Fraction(0))
    return AudioTrack(_mixed([part], rate, info.channels, total), rate, info.channels)


def retimed(sound: Audio, speed: float) -> Audio | AudioTrack:
    """`sound` in 1 / `speed` of its time, higher or lower as a tape is."""
    if speed == 1:
        return sound
    rate, seconds = sound.rate * exact(speed), iter(sound.samples.split(sound.rate, dim=1))
    chunks = resampled(seconds, rate, sound.rate)
    return AudioTrack(chunks, sound.rate, len(sound.samples))


def known_rate(rate: int) -> int:
    """The lowest of `SAMPLE_RATES` that holds everything that `rate` does, or the highest."""
    return next((known for known in SAMPLE_RATES if known >= rate), SAMPLE_RATES[-1])


def exact(value: float) -> Fraction:
    """The short fraction that `value` was meant to be."""
    return Fraction(value).limit_denominator(10**6)


def _media_info(placement: Placement) -> SoundInfo | None:
    """What is heard of a placement; None where it is silent."""
    if isinstance(placement.source, Tensor):
        return None if placement.sound is None else _sound_info(placement.sound)
    return probe_sound(placement.source)


def _sound_info(sound: Sound) -> SoundInfo:
    samples, rate = sound
    if samples.ndim != 2 or len(samples) not in LAYOUTS:
        shape = "x".join(map(str, samples.shape))
        raise MediaError(f"sound of {shape}: give 1, 2 or 6 channels x samples")
    if rate < 1:
        raise MediaError(f"sound at {rate} Hz: give its samples a second")
    return SoundInfo(rate, len(samples))


def _parts(
    canvas: Canvas, placement: Placement, info: SoundInfo, rate: int, total: int
) -> Iterator[Part]:
    fps, begin = frame_rate(canvas.fps), first_frame(canvas, placement)
    count, skip = visible_range(canvas, placement)
    first, last = round(begin / fps * rate), round((begin + count) / fps * rate)
    skipped = exact(skip)
    yield Part(placement, info, first, min(last, total), skipped)
    if last > total:  # past the end of a ring, which is its start
        skipped += Fraction(total - first, rate) * exact(placement.speed)
        yield Part(placement, info, 0, last - total, skipped)


def _mixed(parts: list[Part], rate: int, channels: int, total: int) -> Iterator[Samples]:
    tracks = [AudioTrack(part.chunks(rate, channels), rate, channels) for part in parts]
    for start in range(0, total, rate):
        chunk = torch.zeros(channels, min(rate, total - start))
        end = start + chunk.shape[1]
        for part, track in zip(parts, tracks, strict=True):
            low, high = max(start, part.begin), min(end, part.end)
            if low < high:
                samples = track.take(high - low)
                chunk[:, low - start : low - start + samples.shape[1]] = samples
        yield chunk
