"""Encoding a canvas for inpainting: time and memory of all but the VAE's network.

`python -m tools.bench.encoding WIDTH HEIGHT FRAMES` prints one point as JSON; each runs in a
process of its own. The stub is `PickVAE`, ComfyUI's VAE class over a network on Wan's grid (16
channels, 4x8x8) that takes one pixel of each cell: neither its time nor its memory counts.
"""

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sora_core.measure.report import Figure
from tools.bench.decoding import memory
from tools.golden import load_nodes, sha256_of
from tools.host import ROOT

SIZES = ((1280, 720, 81), (1920, 1080, 81))
SMOKE = ((64, 64, 9),)
CHANNELS, TIME, SIDE = 16, 4, 8


class PickNetwork(nn.Module):
    """The first pixel of each cell, its colours repeated over the channels."""

    def encode(self, video: Tensor) -> Tensor:
        first, rest = video[:, :, :1], video[:, :, TIME::TIME]
        picked = torch.cat([first, rest], dim=2)[..., ::SIDE, ::SIDE]
        return picked.repeat(1, CHANNELS // 3 + 1, 1, 1, 1)[:, :CHANNELS]


def pick_vae() -> Any:  # noqa: ANN401 - a VAE of the host
    """The stub, as ComfyUI's VAE."""
    sd, patching = (importlib.import_module(f"comfy.{name}") for name in ("sd", "model_patcher"))
    vae = sd.VAE(sd={})
    vae.latent_channels, vae.latent_dim, vae.not_video = CHANNELS, 3, False
    vae.upscale_ratio = (lambda frames: max(0, frames * TIME - TIME + 1), SIDE, SIDE)
    vae.downscale_ratio = (lambda frames: max(0, (frames + TIME - 1) // TIME), SIDE, SIDE)
    vae.upscale_index_formula = vae.downscale_index_formula = (TIME, SIDE, SIDE)
    vae.memory_used_encode = vae.memory_used_decode = lambda shape, dtype: 1
    vae.device = vae.output_device = torch.device("cpu")
    vae.vae_dtype, vae.first_stage_model = torch.float32, PickNetwork().eval()
    vae.patcher = patching.ModelPatcher(vae.first_stage_model, vae.device, vae.output_device)
    return vae


@torch.inference_mode()
def encode_once(width: int, height: int, frames: int) -> dict[str, float | str]:
    """Seconds, and peak megabytes beyond the footage, of Sora Encode Canvas for inpainting."""
    torch.set_num_threads(1)
    node, vae = load_nodes(), pick_vae()
    row, clip = torch.linspace(0, 1, width)[:, None], torch.empty(frames, height, width, 3)
    for i, frame in enumerate(clip):
        frame.copy_((row + i / frames) % 1)
    hole = torch.zeros(1, height, width)
    hole[:, : height // 2, : width // 2] = 1
    canvas = node("SoraEditVideo").execute(clip, 0.0, 0.0, 0.0, "crop", hole).args[0]
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, began, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
    latent = node("SoraEncodeCanvas").execute(canvas, vae).args[0]
    spent = {
        "wall": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "peak": max(0.0, memory("VmHWM") - before),
    }
    return spent | {"sha256": sha256_of(latent["samples"])}


def run(rounds: int, smoke: bool) -> Iterator[Figure]:
    """Peak megabytes and seconds for each size, from one process each whatever `rounds` is."""
    for size in SMOKE if smoke else SIZES:
        asked = [sys.executable, "-m", "tools.bench.encoding", *map(str, size)]
        done = subprocess.run(asked, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        point, name = json.loads(done.stdout.splitlines()[-1]), "encoding/{}x{}x{}".format(*size)
        yield Figure(f"{name}/peak", point["peak"], "MB")
        yield Figure(f"{name}/cpu", point["cpu"], "s")
        yield Figure(f"{name}/wall", point["wall"], "s")


if __name__ == "__main__":
    print(json.dumps(encode_once(*map(int, sys.argv[1:4]))))
