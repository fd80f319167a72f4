"""The codecs, containers and qualities that `write_video` accepts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import av
from av.codec.codec import UnknownCodecError

from ..errors import MediaError, check_choice

CONTAINERS = ("auto", "mp4", "mov", "mkv")
MUXERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
QUALITIES = {"small": 1, "standard": 0, "high": -1}
"""In steps of the codec's own quality number; each about doubles the size of the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Codec:
    """The parameters of one codec. `odd` is the pixel format for sizes that are not even."""

    encoder: str
    pixels: str
    odd: str
    crf: int | None
    max_crf: int = 51
    options: Mapping[str, str] = field(default_factory=dict)
    suffixes: tuple[str, ...] = (".mp4", ".mov", ".mkv")
    tag: str | None = None
    min_side: int = 1
    step: int = 6  # of crf, which halves or doubles the file

    @property
    def is_yuv(self) -> bool:
        return self.pixels.startswith("yuv")


CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        # Halved colour (4:2:0) plays everywhere but needs even sides; odd sizes keep colour whole.
        "h264": Codec(
            encoder="libx264", pixels="yuv420p", odd="yuv444p", crf=17, options={"preset": "fast"}
        ),
        "h265": Codec(
            encoder="libx265",
            pixels="yuv420p",
            odd="yuv444p",
            crf=20,
            options={"preset": "fast", "x265-params": "log-level=error"},
            tag="hvc1",  # the only one of its two tags that Apple's players take
            min_side=64,  # its encoder fails now and then at 32
        ),
        "av1": Codec(
            encoder="libsvtav1",
            pixels="yuv420p",
            odd="yuv420p",
            crf=26,
            max_crf=63,
            step=12,
            options={"preset": "8"},
            suffixes=(".mp4", ".mkv"),
            min_side=64,  # below, older builds of this encoder do not terminate
        ),
        "ffv1": Codec(encoder="ffv1", pixels="bgr0", odd="bgr0", crf=None, suffixes=(".mkv",)),
    }
)
"""What `write_video` accepts. `ffv1` is lossless; `h264` plays everywhere."""


def codec_for(suffix: str, name: str, crf: int | None = None) -> Codec:
    """The codec called `name`; MediaError if it does not fit the file, `crf` or this build."""
    codec = codec_named(name)
    if suffix not in codec.suffixes:
        allowed = ", ".join(codec.suffixes)
        raise MediaError(f"{name} fits into no {suffix or 'file without a suffix'}: use {allowed}")
    if crf is not None and (codec.crf is None or not 0 <= crf <= codec.max_crf):
        allowed = "leave it out" if codec.crf is None else f"choose 0 to {codec.max_crf}"
        raise MediaError(f"crf {crf} for {name}: {allowed}")
    try:
        av.Codec(codec.encoder, "w")
    except UnknownCodecError as error:
        message = f"codec {name}: this build of PyAV has no {codec.encoder}; choose h264"
        raise MediaError(message) from error
    return codec


def crf_for(codec: str, quality: str) -> int | None:
    """The quality number of one of `QUALITIES` in `codec`; None for a lossless codec."""
    check_choice("quality", quality, QUALITIES, MediaError)
    settings = codec_named(codec)
    return None if settings.crf is None else settings.crf + QUALITIES[quality] * settings.step


def suffix_for(codec: str, container: str) -> str:
    """The file suffix of `container`, one of `CONTAINERS`; MediaError if `codec` does not fit."""
    suffix = codec_named(codec).suffixes[0] if container == "auto" else f".{container}"
    codec_for(suffix, codec)
    return suffix


def codec_named(name: str) -> Codec:
    check_choice("codec", name, CODECS, MediaError)
    return CODECS[name]
