"""Media files that are cut short, damaged, lying about themselves, or something else altogether."""

import os
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import torch

from sora_core.video.audio import Audio
from sora_core.video.writer import write_video

Lie = tuple[str, str, bytes, int, bytes]
"""Its name, its file, a mark in it, how far behind the mark, the bytes that replace others."""

LIES: list[Lie] = [
    ("track_65535", "mp4", b"tkhd", 76, struct.pack(">II", 65535 << 16, 65535 << 16)),
    ("entry_65535", "mp4", b"avc1", 24, struct.pack(">HH", 65535, 65535)),
    ("entry_1x1", "mp4", b"avc1", 24, struct.pack(">HH", 1, 1)),
    ("entry_0x0", "mp4", b"avc1", 24, struct.pack(">HH", 0, 0)),
    ("timescale_0", "mp4", b"mdhd", 12, struct.pack(">I", 0)),
    ("timescale_1", "mp4", b"mdhd", 12, struct.pack(">I", 1)),
    ("timescale_huge", "mp4", b"mdhd", 12, struct.pack(">I", 2**32 - 1)),
    ("duration_huge", "mp4", b"mdhd", 16, struct.pack(">I", 2**32 - 1)),
    ("movie_timescale_0", "mp4", b"mvhd", 12, struct.pack(">I", 0)),
    ("delta_0", "mp4", b"stts", 12, struct.pack(">I", 0)),
    ("delta_1e9", "mp4", b"stts", 12, struct.pack(">I", 10**9)),
    ("delta_negative", "mp4", b"stts", 12, struct.pack(">i", -5)),
    ("frames_1e9", "mp4", b"stts", 8, struct.pack(">I", 10**9)),
    ("frames_0", "mp4", b"stts", 8, struct.pack(">I", 0)),
    ("samples_1e9", "mp4", b"stsz", 8, struct.pack(">I", 10**9)),
    ("sample_2e9", "mp4", b"stsz", 12, struct.pack(">I", 2 * 10**9)),
    ("chunk_beyond_the_end", "mp4", b"stco", 8, struct.pack(">I", 2**32 - 1)),
    ("chunk_at_0", "mp4", b"stco", 8, struct.pack(">I", 0)),
    ("chunks_1e9", "mp4", b"stco", 4, struct.pack(">I", 10**9)),
    ("order_huge", "mp4", b"ctts", 12, struct.pack(">I", 2**31 - 1)),
    ("edit_huge", "mp4", b"elst", 8, struct.pack(">Ii", 2**32 - 1, 2**31 - 1)),
    ("profile", "mp4", b"avcC", 1, b"\xff\xff\xff"),
    ("no_parameters", "mp4", b"avcC", 5, b"\xe0"),
    ("unknown_codec", "mp4", b"stsd", 12, b"zzzz"),
    ("box_length_0", "mp4", b"moov", -8, struct.pack(">I", 0)),
    ("box_length_huge", "mp4", b"trak", -8, struct.pack(">I", 2**31)),
    ("width_65535", "webm", b"\xb0\x82", 0, b"\xff\xff"),
    ("height_65535", "webm", b"\xba\x82", 0, b"\xff\xff"),
    ("width_1", "webm", b"\xb0\x82", 0, b"\x00\x01"),
    ("width_0", "webm", b"\xb0\x82", 0, b"\x00\x00"),
    ("rate_0", "webm", b"\x23\xe3\x83\x84", 0, struct.pack(">I", 2**32 - 1)),
    ("rate_1e9", "webm", b"\x23\xe3\x83\x84", 0, struct.pack(">I", 1)),
    ("tick_0", "webm", b"\x2a\xd7\xb1\x83", 0, b"\x00\x00\x00"),
    ("tick_long", "webm", b"\x2a\xd7\xb1\x83", 0, b"\xff\xff\xff"),
    ("duration_nan", "mkv", b"\x44\x89\x88", 0, struct.pack(">d", float("nan"))),
    ("duration_minus", "mkv", b"\x44\x89\x88", 0, struct.pack(">d", -1e18)),
    ("duration_1e18", "mkv", b"\x44\x89\x88", 0, struct.pack(">d", 1e18)),
    ("screen_65535", "gif", b"GIF89a", 0, struct.pack("<HH", 65535, 65535)),
    ("screen_0", "gif", b"GIF89a", 0, struct.pack("<HH", 0, 0)),
    ("picture_65535", "gif", b"\x2c\x00\x00\x00\x00", 0, struct.pack("<HH", 65535, 65535)),
    ("delay_0", "gif", b"\x21\xf9\x04", 1, struct.pack("<H", 0)),
    ("delay_65535", "gif", b"\x21\xf9\x04", 1, struct.pack("<H", 65535)),
]  # fmt: skip

TEXTS = {
    "ffconcat.mp4": "ffconcat version 1.0\nfile whole_plain.mp4\n",
    "ffconcat.webm": "ffconcat version 1.0\nfile whole_plain.webm\n",
    "playlist.mp4": "#EXTM3U\n#EXTINF:1,\nwhole_plain.mp4\n#EXT-X-ENDLIST\n",
    "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "prose.mp4": "This is no video.\n" * 100,
    "subtitles.mkv": "1\n00:00:00,000 --> 00:00:01,000\nhello\n",
    "page.webm": "<!DOCTYPE html><html><body>404</body></html>",
}


def make_corpus(folder: Path, count: int) -> list[Path]:
    """`count` entries in `folder`. The beginning of a name says how it was damaged."""
    seeds = _seeds(folder)
    result = [*seeds.values(), *_whole(folder), *_other(folder, seeds), *_lying(folder, seeds)]
    random_source = random.Random(0)
    kinds = list(seeds.items())
    for i in range(count - len(result)):
        suffix, seed = kinds[i % len(kinds)]
        damage = (_cut, _flipped, _flipped)[i // len(kinds) % 3]
        path = folder / f"{damage.__name__[1:]}_{i}.{suffix}"
        path.write_bytes(damage(seed.read_bytes(), random_source))
        result.append(path)
    return result


def _seeds(folder: Path) -> dict[str, Path]:
    frames = _waves(25, 272, 320)  # sides above 255 take two bytes in a webm header
    tone = Audio(torch.sin(torch.arange(48_000) / 20)[None], 48_000)
    mp4, mkv = folder / "whole_plain.mp4", folder / "whole_plain.mkv"
    write_video(mp4, [frames], 24, audio=tone)
    write_video(mkv, [frames], 24)
    webm = _encoded(folder / "whole_plain.webm", frames, "libvpx-vp9", "yuv420p")
    gif = _encoded(folder / "whole_plain.gif", frames[:, :64, :64], "gif", "rgb8")
    return {"mp4": mp4, "mkv": mkv, "webm": webm, "gif": gif}


def _waves(frames: int, height: int, width: int) -> torch.Tensor:
    t = torch.arange(frames)[:, None, None, None]
    y = torch.arange(height)[:, None, None]
    x = torch.arange(width)[:, None]
    return ((x * 3 + y * 2 + t * 9 + torch.arange(3) * 40) % 256).to(torch.uint8)


def _encoded(path: Path, frames: torch.Tensor, codec: str, pixels: str, rotation: int = 0) -> Path:
    with av.open(str(path), "w") as container:
        options = {"deadline": "realtime", "cpu-used": "8"} if "vp9" in codec else {}
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        if rotation:
            stream.set_display_rotation(rotation)
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame.contiguous().numpy())
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def _whole(folder: Path) -> Iterator[Path]:
    """Unusual but right: these must give frames."""
    for rotation in (90, 180, -90):
        name = folder / f"whole_turned{rotation}.mp4"
        yield _encoded(name, _waves(3, 32, 48), "libx264", "yuv420p", rotation)
    for width, height in ((1, 1), (17, 33), (999, 3), (2, 1000)):
        name = folder / f"whole_{width}x{height}.mp4"
        yield write_video(name, [_waves(3, height, width)], 24)
    yield write_video(folder / "whole_one_frame.mp4", [_waves(1, 32, 32)], 24)
    yield write_video(folder / "whole_lossless.mkv", [_waves(3, 32, 32)], 24, codec="ffv1")
    yield write_video(folder / "whole_slow.mp4", [_waves(3, 32, 32)], 0.01)
    linked = folder / "whole_linked.mp4"
    linked.symlink_to("whole_plain.mp4")
    yield linked


def _other(folder: Path, seeds: dict[str, Path]) -> Iterator[Path]:
    """Not a video at all, or one that cannot be shown as it asks."""
    yield _encoded(folder / "other_turned45.mp4", _waves(3, 32, 48), "libx264", "yuv420p", 45)

    def entry(name: str) -> Path:
        return folder / f"other_{name}"

    for name, text in TEXTS.items():
        entry(name).write_text(text)
        yield entry(name)
    for suffix, seed in seeds.items():
        entry(f"nothing.{suffix}").write_bytes(b"")
        entry(f"zeros.{suffix}").write_bytes(bytes(4096))
        entry(f"dice.{suffix}").write_bytes(random.Random(suffix).randbytes(4096))
        entry(f"start_only.{suffix}").write_bytes(seed.read_bytes()[:12])
        yield from (
            entry(f"{kind}.{suffix}") for kind in ("nothing", "zeros", "dice", "start_only")
        )
    entry("folder.mp4").mkdir()
    os.mkfifo(entry("pipe.mp4"))
    entry("loop.mp4").symlink_to(entry("loop.mp4"))
    entry("dangling.mp4").symlink_to("missing")
    entry("device.mp4").symlink_to("/dev/zero")
    yield from (entry(f"{name}.mp4") for name in ("folder", "pipe", "loop", "dangling", "device"))
    yield entry("missing.mp4")
    yield entry("x" * 300 + ".mp4")
    with av.open(str(entry("sound.mp4")), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        share = Audio(torch.zeros(1, 48_000), 48_000).during(0, 1)
        container.mux(stream.encode(share))
        container.mux(stream.encode())
    yield entry("sound.mp4")


def _lying(folder: Path, seeds: dict[str, Path]) -> Iterator[Path]:
    for name, suffix, mark, distance, claim in LIES:
        content = bytearray(seeds[suffix].read_bytes())
        at = content.index(mark) + len(mark) + distance  # a lie whose mark is gone fails here
        content[at : at + len(claim)] = claim
        path = folder / f"lying_{name}.{suffix}"
        path.write_bytes(content)
        yield path


Damage = Callable[[bytes, random.Random], bytes]


def _cut(content: bytes, source: random.Random) -> bytes:
    return content[: source.randrange(16, len(content))]


def _flipped(content: bytes, source: random.Random) -> bytes:
    damaged = bytearray(content)
    head = source.random() < 0.5  # half of them where the header is
    for _ in range(source.choice((1, 4, 16, 64))):
        position = source.randrange(min(1500, len(damaged)) if head else len(damaged))
        damaged[position] ^= 1 << source.randrange(8)
    return bytes(damaged)
