"""Decodes a latent to an mp4 in a process of its own; prints time and memory as JSON.

`python -m tools.bench.decoding METHOD FRAMES WIDTH HEIGHT` is what the suites run for each point.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.nn.functional import interpolate

from sora_core.checkpoints.checkpoint import load_autoencoder, read_config
from sora_core.models.autoencoder import Autoencoder
from sora_core.models.chunked_codec import decode_chunks
from sora_core.pipeline.decode import cropped
from sora_core.pipeline.generate import MODELS
from sora_core.shapes import COMPRESSION, Frames, Latent, Size, Video
from sora_core.video.frames import frames_from_video
from sora_core.video.writer import write_video

FPS = 24
CHANNELS = 16
WAN_WIDTH = 8  # the narrowest layers of a small VAE of the Wan kind
TEXT_EVERY = 60  # seconds

Decode = Callable[[Latent], Iterable[Video]]


@dataclass(frozen=True, slots=True)
class Spent:
    """Time of a run, and its peak memory above that of the loaded model.

    `overlap` is the share of the encoder's work that ran during decoding.
    """

    megabytes: float
    wall: float
    cpu: float
    overlap: float


def ours() -> Decode:
    """sora-mini's autoencoder, streaming."""
    autoencoder = sora_mini()
    return lambda latent: decode_chunks(autoencoder, latent)


def ours_whole() -> Decode:
    """The same, decoded completely before encoding."""
    autoencoder = sora_mini()

    def decode(latent: Latent) -> list[Video]:
        return [torch.cat(list(decode_chunks(autoencoder, latent)), dim=2)]

    return decode


def sora_mini() -> Autoencoder:
    path = MODELS / "sora-mini.safetensors"
    return load_autoencoder(path, read_config(path)).eval()


def wan() -> Decode:
    """ComfyUI's VAE of the Wan kind, decoded by the pack's nodes."""
    from tools.bench.wan_host import wan_vae

    vae, decoded = wan_vae(WAN_WIDTH)
    return lambda latent: decoded(vae, latent)


def wan_whole() -> Decode:
    """The same VAE, decoded completely to images, as by ComfyUI's node."""
    from tools.bench.wan_host import wan_vae

    vae, _ = wan_vae(WAN_WIDTH)
    return lambda latent: [vae.decode(latent).movedim(-1, 1) * 2 - 1]


def diffusers() -> Decode:
    """Wan's VAE of diffusers, of the same size, decoded completely before encoding."""
    from diffusers import AutoencoderKLWan

    autoencoder = AutoencoderKLWan(base_dim=WAN_WIDTH).eval()
    return lambda latent: [autoencoder.decode(latent).sample]


VARIANTS = {variant.__name__: variant for variant in (ours, ours_whole, wan, wan_whole, diffusers)}


def spend(variant: str, size: Size) -> Spent:
    """Time and memory of `variant` for a video of `size`; progress goes to standard error."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        decode = VARIANTS[variant]()
        loaded = memory("VmRSS")
        clock = Clock(loaded)
        chunks = cropped(clock.decoding(decode(some_latent(size))), size)
        frames = clock.decoding(frames_from_video(chunk[0]) for chunk in chunks)
        write_video(Path(folder) / "a.mp4", frames, FPS, on_frame=clock.print_time)
        return clock.spent()


def some_latent(size: Size) -> Latent:
    """Slow waves like those of footage: noise would cost the encoder far more than video."""
    frames, rows, columns = COMPRESSION.grid(size).shape
    coarse = torch.randn(1, CHANNELS, 1 + frames // 8, 5, 5)
    return interpolate(coarse, (frames, rows, columns), mode="trilinear")


class Clock:
    """Time and memory since construction, and the shares of decoder and encoder.

    torch has one thread here, so work on other threads is encoding.
    """

    def __init__(self, loaded: float) -> None:
        self.loaded, self.began, self.cpu = loaded, time.perf_counter(), time.process_time()
        self.concat, self.messages = self.encoder(), self.began
        self.overlapped, self.depth = 0.0, 0

    @staticmethod
    def encoder() -> float:
        return time.process_time() - time.thread_time()

    def decoding(self, chunks: Iterable[Video] | Iterable[Frames]) -> Iterator[Video | Frames]:
        """`chunks`; other work during their decoding counts as overlapped."""
        chunks = iter(chunks)
        while True:
            self.depth += 1
            before = self.encoder()
            chunk = next(chunks, None)
            self.depth -= 1
            if not self.depth:  # the outermost
                self.overlapped += self.encoder() - before
            if chunk is None:
                return
            yield chunk

    def print_time(self, frames: int) -> None:
        if time.perf_counter() - self.messages > TEXT_EVERY:
            self.messages = time.perf_counter()
            print(f"# {frames} frames, {asdict(self.spent())}", file=sys.stderr, flush=True)

    def spent(self) -> Spent:
        """Peak megabytes above `loaded`, seconds, and the share of encoding during decoding."""
        return Spent(
            megabytes=memory("VmHWM") - self.loaded,
            wall=time.perf_counter() - self.began,
            cpu=time.process_time() - self.cpu,
            overlap=self.overlapped / max(self.encoder() - self.concat, 1e-9),
        )


def memory(field: str) -> float:
    """Megabytes of this process: `VmRSS` is current, `VmHWM` the peak."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 / 1e6 if found else float("nan")


def main() -> None:
    """Prints the `Spent` of one decoding as JSON; the options are its frames and pixels."""
    parser = argparse.ArgumentParser(prog="decoding", description=__doc__)
    parser.add_argument("method", choices=VARIANTS)
    for name in ("frames", "width", "height"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    size = Size(options.width, options.height, options.frames)
    print(json.dumps(asdict(spend(options.method, size))))


if __name__ == "__main__":
    main()
