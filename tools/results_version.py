"""The numbers that belong to `RESULTS_VERSION`: what sampling computes from fixed inputs.

`python -m tools.results_version` records them once the version is raised. A tiny model with random
weights computes them, and few of them are compared with a tolerance, so that they hold on every
machine. `python -m tools.golden check` finds whether a refactor changed a bit on this machine.
"""

import importlib
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from sora_core.canvas import edits
from sora_core.canvas.canvas import Canvas, Placement
from sora_core.pipeline.generate import generate, load
from sora_core.resume.version import RESULTS_VERSION
from sora_core.sampling.segments import SegmentSettings
from tests.support.tiny import write_tiny
from tools.golden import host_model_results, load_nodes, load_tiny_models

RECORD = Path(__file__).resolve().parents[1] / "tests" / "core" / "resume" / "results.json"
VALUES = 12  # of each result, evenly spread
TOLERANCE = 2e-3  # processors sum in other orders
PROMPT = "a red ball rolls to the left"

Numbers = dict[str, list[float]]


def sampled_numbers() -> Numbers:
    """A few values of the latent of each way to sample."""
    short = Canvas(width=32, height=32, seconds=13 / 8)
    long = replace(short, seconds=4.0)
    frames = torch.arange(5 * 32 * 32 * 3).reshape(5, 32, 32, 3).remainder(251).to(torch.uint8)
    placed = edits.extend_forward(short, Placement(source=frames, fps=8))
    shots = edits.place_storyboard(long, [(0.0, PROMPT), (2.0, "a blue cube falls")])
    runs = {
        "euler": (short, {}),
        "heun": (short, {"sampler": "heun"}),
        "dpmpp_2m": (short, {"sampler": "dpmpp_2m"}),
        "sde": (short, {"sampler": "sde"}),
        "rescaled": (short, {"guidance": 8.0, "rescale": 0.7}),
        "footage": (placed, {"footage_guidance": 2.0}),
        "segments": (shots, {"segments": SegmentSettings(firmness=0.8)}),
        "windows": (long, {"segments": None}),
        "loop": (edits.loop(replace(short, seconds=2.0)), {}),
        "long loop": (edits.loop(long), {}),
    }
    with tempfile.TemporaryDirectory() as folder:
        pipeline = load(write_tiny(Path(folder)))
        return {
            name: few_values(generate(pipeline, PROMPT, canvas, 7, steps=2, **settings))
            for name, (canvas, settings) in runs.items()
        }


def host_numbers(node: Callable[[str], Any], models: ModuleType, folder: Path) -> Numbers:
    """The same of tiny models of the host, through the nodes: segments, windows and loops."""
    results = host_model_results(node, models, folder)
    return {name: few_values(x) for name, x in results if name.endswith("/latent")}


def all_numbers() -> Numbers:
    """All of them, with the host loaded into this process."""
    numbers = sampled_numbers()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        pack, models = load_nodes(), load_tiny_models()
        importlib.import_module("folder_paths").output_directory = str(Path(folder) / "output")
        return numbers | host_numbers(pack, models, Path(folder))


def few_values(latent: Tensor) -> list[float]:
    """`VALUES` of `latent`, from its first to its last."""
    flat = latent.flatten()
    places = torch.linspace(0, len(flat) - 1, VALUES).long()
    return [round(value, 4) for value in flat[places].tolist()]


def changed(recorded: Numbers, found: Numbers) -> list[str]:
    """The names of results that differ by more than rounding."""
    names = recorded.keys() | found.keys()
    return sorted(name for name in names if not alike(recorded.get(name), found.get(name)))


def alike(first: list[float] | None, second: list[float] | None) -> bool:
    if first is None or second is None or len(first) != len(second):
        return False
    pairs = zip(first, second, strict=True)
    return all(abs(one - other) <= TOLERANCE * max(1.0, abs(one)) for one, other in pairs)


def read_record(host: bool | None = None) -> tuple[int, Numbers]:
    """The recorded version, and its numbers; those of the host's models alone, or the others."""
    record = json.loads(RECORD.read_text("utf-8"))
    numbers = {
        name: values
        for name, values in record["numbers"].items()
        if host is None or name.startswith("host/") == host
    }
    return record["version"], numbers


def main() -> int:
    """0 once recorded; 1, with nothing written, if numbers changed and RESULTS_VERSION did not."""
    found = all_numbers()
    if RECORD.exists():
        version, recorded = read_record()
        names = changed(recorded, found)
        if names and version == RESULTS_VERSION:
            print(f"{', '.join(names)} changed: raise RESULTS_VERSION in sora_core/resume first")
            return 1
    lines = [f"  {json.dumps(name)}: {json.dumps(found[name])}" for name in found]
    text = ",\n".join(lines)
    RECORD.write_text(
        f'{{\n "version": {RESULTS_VERSION},\n "numbers": {{\n{text}\n }}\n}}\n', "utf-8"
    )
    print(f"{len(found)} results of version {RESULTS_VERSION} in {RECORD}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
