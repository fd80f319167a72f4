"""Memory and time of encoding a long video as a latent.

`python -m tools.bench.reading minute` encodes 1440 frames of 1920x1080; `hour` places two seconds
of an hour's file on a small canvas and extends it, beside the same with a minute's. Each is
measured in a process of its own, above the loaded model.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import torch

from sora_core.canvas.canvas import Canvas, Placement
from sora_core.canvas.edits import extend_forward
from sora_core.canvas.encode import encode_canvas
from sora_core.canvas.rasterize import placed_frames
from sora_core.checkpoints.checkpoint import load_autoencoder, read_config
from sora_core.checkpoints.safetensors_io import mapped_tensor
from sora_core.models.chunked_codec import encode_chunks
from sora_core.pipeline.generate import MODELS, SHIPPED, generate, load
from sora_core.shapes import Frames, Latent, Video, sides
from sora_core.video.container import opened
from sora_core.video.probe import duration_of, probe
from sora_core.video.writer import write_video
from tools.bench.resident import Resident

FPS = 24
MINUTE = 60 * FPS
TIMES = 60  # a minute's file, again and again, is an hour's
TEXTS_EVERY = 12  # latent frames
SMALL = Canvas(width=64, height=64, seconds=4.0)
PRESERVED = 2.0  # seconds of the file at the start of the small canvas
STEPS = 2


def main() -> None:
    """Prints memory and time: `encode` and `extend` here, `minute` and `hour` in new processes."""
    options = parse()
    torch.set_num_threads(1)
    match options.what:
        case "encode":
            encode(options.file, options.folder or options.file.parent)
        case "extend":
            extend(options.file, options.start)
        case _:
            with TemporaryDirectory(dir=options.folder) as folder:
                path = options.file or make(Path(folder) / "minute.mp4", options)
                if options.what == "minute":
                    measured("encode", path, folder)
                else:
                    hour = joined(path, Path(folder) / "hour.mp4", TIMES)
                    for file in (path, hour):
                        measured("extend", file, folder, start=float(duration_of(file)) * 11 / 12)


def parse() -> argparse.Namespace:
    """The options: `size` is (width, height) in pixels, and `start` is in seconds."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.reading", description=__doc__)
    parser.add_argument("what", choices=("minute", "hour", "encode", "extend"))
    parser.add_argument("--size", type=sides, default=(1920, 1080), metavar="WIDTHxHEIGHT")
    parser.add_argument("--frames", type=int, default=MINUTE)
    parser.add_argument("--folder", type=Path, help="where files go that are removed in the end")
    parser.add_argument("--file", type=Path, help="a minute of your own")
    parser.add_argument("--start", type=float, default=0.0, help="seconds, for extend")
    return parser.parse_args()


def measured(what: str, file: Path, folder: str, start: float = 0.0) -> None:
    """Runs one measurement in a fresh process."""
    command = [sys.executable, "-m", "tools.bench.reading", what, "--file", str(file)]
    subprocess.run([*command, "--folder", folder, "--start", str(start)], check=True)


def joined(path: Path, longer: Path, times: int) -> Path:
    """A file that repeats the packets of `path`; nothing is encoded again."""
    with opened(path) as source, av.open(str(longer), "w") as target:
        stream = source.streams.video[0]
        packets = [packet for packet in source.demux(stream) if packet.dts is not None]
        period = sum(packet.duration for packet in packets)
        copy = target.add_stream_from_template(stream)
        for time in range(times):
            for packet in packets:
                again = av.Packet(bytes(packet))
                again.stream, again.time_base = copy, packet.time_base
                again.pts, again.dts = packet.pts + time * period, packet.dts + time * period
                again.duration, again.is_keyframe = packet.duration, packet.is_keyframe
                target.mux(again)
    print(f"# {float(duration_of(longer)):.0f} s, {longer.stat().st_size / 1e6:.0f} MB", flush=True)
    return longer


def make(path: Path, options: argparse.Namespace) -> Path:
    """A file of drifting colours with a time bar."""
    began, frames, (width, height) = time.monotonic(), options.frames, options.size
    write_video(path, drifting(width, height, frames), FPS)
    print(
        f"# {frames} frames of {width}x{height}, {path.stat().st_size / 1e6:.1f} MB, "
        f"made in {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return path


def drifting(width: int, height: int, frames: int) -> Iterator[Frames]:
    """One frame at a time: a gradient that drifts by two pixels a frame, below a growing bar."""
    across = torch.linspace(0, 160, 2 * width).to(torch.uint8)
    down = torch.linspace(0, 95, height).to(torch.uint8)
    for count in range(frames):
        shift = 2 * count % width
        red = across[shift : shift + width].expand(height, width)
        green = down[:, None].expand(height, width) + red // 2
        frame = torch.stack([red, green, 255 - red], dim=-1)
        frame[: height // 16, : 1 + count * width // frames] = 255
        yield frame[None]


def encode(path: Path, folder: Path) -> None:
    """Prints memory and time of encoding the whole file to a memory-mapped latent."""
    config = read_config(MODELS / SHIPPED)
    autoencoder = load_autoencoder(MODELS / SHIPPED, config)
    info = probe(path)
    canvas = Canvas(
        width=info.width, height=info.height, seconds=float(duration_of(path)), fps=float(info.fps)
    )
    before, began, done = Resident.read(), time.monotonic(), 0

    def texts(chunks: Iterator[Video]) -> Iterator[Latent]:
        nonlocal done
        for latent in encode_chunks(autoencoder, chunks):
            if done // TEXTS_EVERY != (done := done + latent.shape[2]) // TEXTS_EVERY:
                report(f"{done} latent frames")
            yield latent

    def report(what: str) -> None:
        now = Resident.read()
        print(
            f"{what}: peak {now.peak - before.now:.0f} MB above the model, now "
            f"{now.now - before.now:.0f} MB, of that {now.in_files - before.in_files:.0f} MB in "
            f"the mapped file; {time.monotonic() - began:.0f} s, {time.process_time():.0f} s CPU",
            flush=True,
        )

    capacity = partial(mapped_tensor, folder / "latent.safetensors", "samples")
    with torch.inference_mode():
        encoded = encode_canvas(
            canvas.place(Placement(source=path)),
            texts,
            config.autoencoder.latent_channels,
            allocate=capacity,
        )
    known, mask = encoded.known, encoded.mask
    report(f"{canvas.size.frames} frames of {info.width}x{info.height} to {tuple(known.shape)}")
    if bool(mask.any()) or not bool(known[:, :, -1].any()):
        raise SystemExit("not all of the file is in the latent")


def extend(path: Path, start: float) -> None:
    """Prints memory and time of extending two seconds from `start` on a small canvas."""
    pipeline = load()
    before, began = Resident.read(), time.monotonic()
    placement = Placement(source=path, skip=start, seconds=PRESERVED, fit="crop")
    canvas = extend_forward(SMALL, placement)
    displayed = sum(len(frames) for frames in placed_frames(canvas, placement))
    read = time.monotonic() - began
    latent = generate(pipeline, "a drifting sky", canvas, steps=STEPS)
    now = Resident.read()
    print(
        f"{PRESERVED:g} s from second {start:.0f} of {float(duration_of(path)):.0f}: "
        f"{displayed} frames read in "
        f"{read:.1f} s; extended to {tuple(latent.shape)}: peak {now.peak - before.now:.0f} MB "
        f"above the model, {time.monotonic() - began:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
