"""AUDIO and VIDEO of other nodes. Axes: b batch, c channels, n samples, y rows, x columns."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from comfy_api.latest import Input, InputImpl, Types

from ....sora_core.errors import ConfigError, MediaError, SizeError
from .foreign import foreign_code, number_of
from .tensors import checked_image, checked_numbers, checked_tensor, shape_text, type_name

LEAST_SAMPLE_RATE, MOST_SAMPLE_RATE = 1, 768_000  # samples a second
MAX_VIDEO_RATE = 1000.0
FULL_SCALE = 2**15  # of samples of 16 bits


def checked_audio(name: str, value: object) -> dict[str, Any]:
    """The AUDIO `value` with a waveform of 1 c n in float32; c n and n are accepted."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name}: {type_name(value)} in place of an AUDIO: connect an AUDIO")
    with foreign_code(name, "AUDIO"):
        waveform, rate = value["waveform"], value["sample_rate"]
    samples = checked_tensor(name, waveform, "an AUDIO")
    if samples.ndim in (1, 2):
        samples = samples.reshape(1, -1, samples.shape[-1])
    if samples.ndim != 3 or len(samples) > 1:
        raise SizeError(f"{name}: an AUDIO of {shape_text(samples)}: give 1 x channels x samples")
    if samples.dtype == torch.int16:
        samples = samples.float().div(FULL_SCALE)
    samples = checked_numbers(name, samples, "an AUDIO")
    return {**value, "waveform": samples, "sample_rate": checked_rate(name, rate)}


def checked_rate(name: str, rate: object) -> int:
    """`rate` in samples a second; ConfigError unless it is a whole number in the allowed range."""
    number = number_of(rate)
    if (
        number is None
        or not LEAST_SAMPLE_RATE <= number <= MOST_SAMPLE_RATE
        or number != int(number)
    ):
        raise ConfigError(
            f"{name}: an AUDIO of {ascii(rate)[:40]} samples a second: give {LEAST_SAMPLE_RATE} to "
            f"{MOST_SAMPLE_RATE}, such as 44100"
        )
    return int(number)


def checked_video(name: str, value: object) -> Input.Video:
    """The VIDEO `value`; a file is not opened, any other video is read into its components."""
    if not isinstance(value, Input.Video):
        raise ConfigError(f"{name}: {type_name(value)} in place of a VIDEO: connect a VIDEO")
    return value if isinstance(value, InputImpl.VideoFromFile) else video_in_memory(name, value)


def video_in_memory(name: str, video: Input.Video) -> Input.Video:
    """`video` with checked frames, rate and sound."""
    with foreign_code(name, "VIDEO"):
        components = video.get_components()
    if not isinstance(components, Types.VideoComponents):
        raise MediaError(
            f"{name}: the VIDEO returns {type_name(components)} in place of components: check the "
            "node that it comes from"
        )
    images = checked_image(name, components.images)
    rate = checked_frame_rate(name, components.frame_rate)
    audio = None if components.audio is None else checked_audio(name, components.audio)
    if images is components.images and rate is components.frame_rate and audio is None:
        return video
    return InputImpl.VideoFromComponents(
        replace(components, images=images, frame_rate=rate, audio=audio)
    )


def checked_frame_rate(name: str, rate: object) -> Fraction:
    """Frames a second, above 0 and at most `MAX_VIDEO_RATE`; SizeError for anything else."""
    number = number_of(rate)
    if number is None or not 0 < number <= MAX_VIDEO_RATE:
        raise SizeError(
            f"{name}: a VIDEO at {ascii(rate)[:40]} frames a second: give a rate above 0, at most "
            f"{MAX_VIDEO_RATE:g}"
        )
    return rate if isinstance(rate, Fraction) else Fraction(number).limit_denominator(100_000)
