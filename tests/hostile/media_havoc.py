"""Files of every format that is read, damaged in many ways; each read in full, in limits.

`python -m tests.hostile.media_havoc --count 20000` prints how many were lost: ended by a signal,
out of time or memory, in an untyped error, or in a sentence that is long or names a server's path.
"""

import argparse
import json
import os
import random
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image

from sora_core.errors import SoraError
from sora_core.video.audio import Audio
from sora_core.video.audio_reader import probe_sound, read_sound
from sora_core.video.probe import duration_of, probe
from sora_core.video.reader import read_alpha, read_frames, read_times
from sora_core.video.still import read_still
from sora_core.video.writer import write_video
from tests.hostile.media_trial import SECONDS, TIME_OUT, limit_memory, limit_time

BATCH = 50  # files that one process reads
STILLS = (".png", ".jpg", ".webp")
EDGES = [0, 1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1]
FRAMES, HEIGHT, WIDTH = 8, 48, 64


def seeds(folder: Path) -> list[Path]:
    """A whole, small file of each kind that is read."""
    frames = _waves()
    tone = Audio(torch.sin(torch.arange(16_000) / 20)[None], 16_000)
    paths = [
        write_video(folder / "a.mp4", [frames], 8, audio=tone),
        write_video(folder / "h265.mp4", [frames.repeat(1, 2, 1, 1)], 8, codec="h265"),
        write_video(folder / "av1.mp4", [frames.repeat(1, 2, 1, 1)], 8, codec="av1"),
        write_video(folder / "a.mkv", [frames], 8, audio=tone),
        write_video(folder / "ffv1.mkv", [frames], 8, codec="ffv1"),
    ]
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    for name, codec, pixels, options in (
        ("fragments.mp4", "libx264", "yuv420p", fragments),
        ("vp9.webm", "libvpx-vp9", "yuv420p", {}),
        ("live.webm", "libvpx", "yuv420p", {"live": "1"}),
        ("alpha9.webm", "libvpx-vp9", "yuva420p", {}),
        ("alpha8.webm", "libvpx", "yuva420p", {}),
        ("a.gif", "gif", "rgb8", {}),
        ("mjpeg.avi", "mjpeg", "yuvj420p", {}),
        ("mpeg4.avi", "mpeg4", "yuv420p", {}),
        ("a.ts", "libx264", "yuv420p", {}),
        ("a.m2ts", "mpeg2video", "yuv420p", {}),
        ("a.flv", "libx264", "yuv420p", {}),
        ("sorenson.flv", "flv", "yuv420p", {}),
        ("a.mpg", "mpeg2video", "yuv420p", {}),
        ("mpeg1.mpg", "mpeg1video", "yuv420p", {}),
        ("prores.mov", "prores_ks", "yuva444p10le", {}),
        ("png.mov", "png", "rgba", {}),
        ("qtrle.mov", "qtrle", "argb", {}),
        ("raw.mov", "rawvideo", "uyvy422", {}),
        ("v210.mov", "v210", "yuv422p10le", {}),
        ("hdr.mkv", "ffv1", "yuv420p10le", {}),
        ("interlaced.ts", "mpeg2video", "yuv420p", {}),
    ):
        paths.append(_encoded(folder / name, frames, codec, pixels, options))
    for suffix in STILLS:
        path = folder / f"still{suffix}"
        Image.fromarray(frames[0].numpy()).save(path)
        paths.append(path)
    paths.append(folder / "grey16.png")
    Image.fromarray(frames[0, ..., 0].numpy().astype(np.uint16) * 257).save(paths[-1])
    return paths


def _waves() -> torch.Tensor:
    t = torch.arange(FRAMES)[:, None, None, None]
    y, x = torch.arange(HEIGHT)[:, None, None], torch.arange(WIDTH)[:, None]
    return ((x * 3 + y * 2 + t * 9 + torch.arange(3) * 40) % 256).to(torch.uint8)


def _encoded(
    path: Path, frames: torch.Tensor, codec: str, pixels: str, options: dict[str, str]
) -> Path:
    with av.open(str(path), "w", options=options) as container:
        fast = {"deadline": "realtime", "cpu-used": "8"} if "vpx" in codec else {}
        if pixels == "yuva420p":
            fast["auto-alt-ref"] = "0"  # which these encoders refuse beside alpha
        stream = container.add_stream(codec, rate=25, options=fast)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, context = pixels, stream.codec_context
        if path.stem == "hdr":
            context.color_trc, context.color_primaries, context.colorspace = 16, 9, 9
        if path.stem == "interlaced":
            context.flags |= 0x40000 | 0x20000000
        for i, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.numpy()))
            picture = picture.reformat(format=pixels)
            picture.pts, picture.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def damaged(content: bytes, dice: random.Random) -> bytes:
    """`content` with 1 to 16 random changes, as fuzzers stack them."""
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        dice.choice(CHANGES)(data, dice)
    return bytes(data)


def _place(data: bytearray, dice: random.Random, capacity: int = 1) -> int:
    """Half of the time where headers are."""
    last = max(1, len(data) - capacity)
    return dice.randrange(min(last, 2000) if dice.random() < 0.5 else last)


def _flip(data: bytearray, dice: random.Random) -> None:
    if data:
        data[_place(data, dice)] ^= 1 << dice.randrange(8)


def _byte(data: bytearray, dice: random.Random) -> None:
    if data:
        data[_place(data, dice)] = dice.randrange(256)


def _number(data: bytearray, dice: random.Random) -> None:
    kind = dice.choice((">H", "<H", ">I", "<I", ">Q"))
    size = struct.calcsize(kind)
    if len(data) > size:
        value = dice.choice(EDGES) % 2 ** (8 * size)
        struct.pack_into(kind, data, _place(data, dice, size), value)


def _cut(data: bytearray, dice: random.Random) -> None:
    del data[_place(data, dice) :]


def _remove(data: bytearray, dice: random.Random) -> None:
    at = _place(data, dice)
    del data[at : at + dice.choice((1, 4, 100, 1000))]


def _repeat(data: bytearray, dice: random.Random) -> None:
    at, size = _place(data, dice), dice.choice((1, 8, 200, 2000))
    to = _place(data, dice)
    data[to:to] = data[at : at + size]


def _zeros(data: bytearray, dice: random.Random) -> None:
    at, size = _place(data, dice), dice.choice((1, 8, 200))
    data[at : at + size] = bytes(len(data[at : at + size]))


CHANGES: list[Callable[[bytearray, random.Random], None]] = [
    _flip, _flip, _byte, _number, _number, _cut, _remove, _repeat, _zeros,
]  # fmt: skip


def read_all(path: Path) -> int:
    """Frames that are read of `path` in every way in which the nodes read."""
    if path.suffix in STILLS:
        return len(read_still(path))
    if not 0 <= duration_of(path) <= 6 * 3600:
        raise AssertionError("a length that no video has")
    info = probe(path)
    count = sum(len(chunk) for chunk in read_frames(path, on_damage=lambda sentence: None))
    for _ in read_frames(path, fps=8, size=(64, 48)):
        pass
    for _ in read_frames(path, start=0.1, seconds=0.2):
        pass
    if info.has_alpha:
        for _ in read_alpha(path, seconds=0.2):
            pass
    read_times(path)
    if probe_sound(path) is not None:
        for _ in read_sound(path):
            pass
    return count


def outcome(path: Path) -> tuple[str, str]:
    """How reading `path` ends, and what is wrong with that."""
    try:
        read_all(path)
    except SoraError as error:
        sentence = str(error)
        if len(sentence) > 200 or not sentence.isprintable() or str(path.parent) in sentence:
            return "lost", f"sentence {sentence[:300]!r}"
        return "sentence", ""
    except BaseException:  # the report is the point: nothing may be lost here
        return "lost", traceback.format_exc()[-800:]
    return "frames", ""


def batch(paths: list[Path]) -> Iterator[tuple[str, str]]:
    """The outcome of each of `paths`, read one after the other in a process with limits; after one
    that ends it, in another."""
    while paths:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            limit_memory()
            with os.fdopen(writing, "w") as report:
                for path in paths:
                    limit_time(SECONDS)
                    print(json.dumps(outcome(path)), file=report, flush=True)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as report:
            outcomes = [json.loads(line) for line in report if line.endswith("\n")]
        _, status = os.waitpid(child, 0)
        yield from outcomes
        if len(outcomes) < len(paths):
            kind = os.WTERMSIG(status) if os.WIFSIGNALED(status) else "exit"
            yield "lost", "time-out" if kind in TIME_OUT else f"signal {kind}"
        paths = paths[len(outcomes) + 1 :]


def havoc(count: int, seed: int = 0, keep: Path | None = None) -> Counter[str]:
    """The outcomes of `count` damaged files; those that are lost are copied to `keep`."""
    dice, totals = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = [(path.name, path.read_bytes()) for path in seeds(folder)]
        for begin in range(0, count, BATCH):
            paths = []
            for i in range(begin, min(count, begin + BATCH)):
                kind, content = whole[i % len(whole)]
                path = folder / f"{i}-{kind}"
                path.write_bytes(damaged(content, dice))
                paths.append(path)
            for path, (end, problem) in zip(paths, batch(paths), strict=True):
                totals[end] += 1
                if end == "lost":
                    report_lost(path, problem, keep)
                path.unlink()
    return totals


def report_lost(path: Path, problem: str, keep: Path | None) -> None:
    """Prints what is wrong with the file at `path`, and copies it to the folder `keep`, if any."""
    print(f"lost: {path.name}: {problem}", file=sys.stderr, flush=True)
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / path.name).write_bytes(path.read_bytes())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="where to copy the files that are lost")
    choice = parser.parse_args()
    av.logging.set_level(None)
    started = time.monotonic()
    totals = havoc(choice.count, choice.seed, choice.keep)
    seconds = time.monotonic() - started
    print(
        f"{sum(totals.values())} damaged files: {totals['frames']} gave frames, "
        f"{totals['sentence']} a sentence, lost = {totals['lost']}; {seconds:.0f} s"
    )
    return totals["lost"] > 0


if __name__ == "__main__":
    sys.exit(main())
