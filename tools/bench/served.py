"""Seconds that a user waits: for a native clip on a warm ComfyUI, and for the second `demo`.

- `native`: from the prompt to the finished file of 33 frames of 96 pixels in four steps, each time
  of another prompt and seed, by the transformer of the recipe `wide` with random weights; beside it
  `native_bf16` by weight_dtype, and both `_unguided`, as with a LoRA for four steps.
- `demo`: the command of the first page, which starts ComfyUI, after it has run once.

Each has `/cpu`, the seconds of all its processes' work: other load on the machine lengthens the
wait and not these.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

import torch

from sora_core.checkpoints.checkpoint import SamplingSettings, write_checkpoint
from sora_core.measure.report import Figure
from sora_core.models.dit import DiT
from sora_core.pipeline.generate import load
from sora_core.training.town_recipes import wide
from tools.client import Client
from tools.graph import Graph
from tools.host import ROOT, Server, bring_host

from .peers import stirred

WORKFLOW = ROOT / "workflows" / "api" / "text_to_video.json"
NATIVE = "native.safetensors"
SIDE, SECONDS, STEPS = 96, 4.0, 4
UNGUIDED = 1.0
VARIANTS: Mapping[str, tuple[str, float | None]] = {
    "native": ("default", None),
    "native_bf16": ("bf16", None),
    "native_unguided": ("default", UNGUIDED),
    "native_bf16_unguided": ("bf16", UNGUIDED),
}
"""The weight_dtype and the scale of guidance of each."""
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "orange", "purple")
DEMO = ("tools/run.py", "demo", "a red ball rolls to the left on grass", "--seed=1")


def run(rounds: int, smoke: bool) -> Iterator[Figure]:
    """The median seconds of a native clip for each of VARIANTS, and those of the last `demo`."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        write_native(base / "models" / "diffusion_models")
        with Server(bring_host(), base) as server:
            for key, (weight_dtype, guidance) in VARIANTS.items():
                waits = []
                for i in range(rounds + 1):  # the first loads the model
                    graph = native_graph(i, weight_dtype, guidance, 0.5 if smoke else SECONDS)
                    waits.append(waited(server.client, graph, server.process.pid))
                for suffix, seconds in zip(("", "/cpu"), zip(*waits[1:], strict=True), strict=True):
                    yield Figure(f"served/{key}{suffix}", median(seconds), "s")
    waits = [demo() for _ in range(1 if smoke else 2)]
    for suffix, seconds in zip(("", "/cpu"), waits[-1], strict=True):
        yield Figure(f"served/demo{suffix}", seconds, "s")


def write_native(folder: Path) -> None:
    """A model file with the transformer of the recipe `wide`, its weights random."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    recipe, autoencoder = wide(), load().autoencoder
    sampling = SamplingSettings(window=recipe.window)
    transformer = stirred(DiT(recipe.transformer))
    write_checkpoint(folder / NATIVE, transformer, autoencoder, name="native", sampling=sampling)


def native_graph(number: int, weight_dtype: str, guidance: float | None, seconds: float) -> Graph:
    """The workflow from text to video for a native clip; each `number` has its prompt and seed.

    None is the workflow's own scale of guidance.
    """
    graph = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    by_title = {node["_meta"]["title"]: node["inputs"] for node in graph.values()}
    by_title["Load Model"] |= {"model": NATIVE, "weight_dtype": weight_dtype}
    by_title["Prompt"]["text"] = f"a {COLOURS[number % len(COLOURS)]} ball rolls to the left"
    by_title["Noise"]["seed"] = number
    by_title["Canvas"] |= {"width": SIDE, "height": SIDE, "seconds": seconds}
    by_title["Schedule"]["steps"] = STEPS
    by_title["Decode Video"]["upscale"] = 1
    if guidance is not None:
        by_title["Guider"]["scale"] = guidance
    return graph


def waited(client: Client, graph: Graph, pid: int) -> tuple[float, float]:
    """Seconds until the server has finished `graph`, by the wall and of its process `pid`."""
    completed = client.completed(graph)
    wall, cpu = time.perf_counter(), process_seconds(pid)
    client.run(completed)
    return time.perf_counter() - wall, process_seconds(pid) - cpu


def process_seconds(pid: int) -> float:
    """Seconds that the process `pid` has worked, as Linux counts them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def demo() -> tuple[float, float]:
    """Seconds of one `demo`, by the wall and of all its processes."""

    def worked() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    wall, cpu = time.perf_counter(), worked()
    subprocess.run([sys.executable, *DEMO], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - wall, worked() - cpu
