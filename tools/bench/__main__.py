"""Prints benchmarks as `name value unit` lines, each ratio against a named peer.

Run it with the set-up's Python, on a machine with nothing else to do:
`.venv/bin/python -m tools.bench limits dit vae packing sampler comfy streaming --json FILE`. The
peers are in `tools/requirements/bench.txt`; one that is not installed is reported as missing.
`minute` takes an hour or two. Each suite runs in a fresh process: memory that an
earlier suite freed and the allocator cached makes later work up to 1.7 times as fast.
"""

import argparse
import os
import platform
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sora_core.measure.report import Figure, write_json
from tools.bench.race import NOISE
from tools.bench.suite import measure

SUITES = (
    "limits",
    "dit",
    "vae",
    "packing",
    "training",
    "sampler",
    "comfy",
    "streaming",
    "encoding",
    "bf16",
    "stream",
    "served",
)
HOURS = ("minute",)  # run only when named
PACKAGES = ("torch", "diffusers", "numpy", "av")
ROUNDS = 5

AT_LEAST = {
    "dit/forward_vs_wan": 1.0,
    "vae/own_decode_of_peak": 0.4,
    "vae/wan_weights_256": 3.0,
    "vae/wan_weights_128": 5.0,
    "packing/vs_padded": 1.7,
    "training/of_peak": 0.6,
    "training/loop_of_bare": 0.85,
    "training/packed_of_bucketed": 1.0,
    "bf16/dit_vs_fp32": 1.6,
    "bf16/decode_vs_fp32": 1.4,
    "stream/speed_64": 1.0,
    "stream/speed_native": 1.0,
}
AT_MOST = {
    "comfy/vs_script": 1.05,
    "comfy/new_seed/text_encoder_calls": 0.0,
    "comfy/new_seed/model_loads": 0.0,
    "streaming/ours_of_peer": 0.4,
    "streaming/wan_of_peer": 0.4,
    "streaming/ours_slope": 0.15,
    "streaming/wan_slope": 0.15,
    "encoding/1280x720x81/peak": 1900.0,
    "encoding/1920x1080x81/peak": 2300.0,  # half of 4,632; measured: 1,918
    "served/native": 1.0,
    "served/demo": 8.0,
    "minute/1920x1080/peak": 3.0,
    "minute/1080x1920/peak": 3.0,
}


def main() -> int:
    """0 if all results are equal, no race is noisy and no figure misses its bar; else 1.

    A smoke run has no bars.
    """
    options = parse()
    print(f"# {machine()}; 1 thread; {versions()}", flush=True)
    figures: list[Figure] = []
    complete = True
    for suite in options.suites or SUITES:
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            found, same = process.submit(measure, suite, options.rounds, options.smoke).result()
        figures += found
        complete &= same
    if options.json:
        write_json(figures, options.json)
    problems = [*noisy(figures), *([] if options.smoke else short(figures))]
    for problem in problems:
        print(f"# {problem}")
    return 0 if complete and not problems else 1


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options; no suites stand for all of SUITES. Exits with 2 if a suite is unknown."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join((*SUITES, *HOURS)))
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="laps of every candidate")
    parser.add_argument("--smoke", action="store_true", help="small and once: does it all run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="figures by name")
    options = parser.parse_args(arguments)
    if unknown := set(options.suites) - {*SUITES, *HOURS}:
        known = ", ".join((*SUITES, *HOURS))
        parser.error(f"no suite {', '.join(sorted(unknown))}: choose from {known}")
    return options


def noisy(figures: list[Figure]) -> Iterator[str]:
    for figure in figures:
        if figure.name.endswith("/noise") and figure.value > NOISE:
            yield f"NOISY: {figure.name} is {figure.value:.3f}, above {NOISE}: no verdict"


def short(figures: list[Figure]) -> Iterator[str]:
    """The figures that miss their bar."""
    for figure in figures:
        if figure.value < AT_LEAST.get(figure.name, -torch.inf):
            yield f"SHORT: {figure}, at least {AT_LEAST[figure.name]} was promised"
        if figure.value > AT_MOST.get(figure.name, torch.inf):
            yield f"SHORT: {figure}, at most {AT_MOST[figure.name]} was promised"


def machine() -> str:
    known = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", known.read_text()) if known.exists() else None
    return f"{found[1] if found else platform.processor()}, {os.cpu_count()} cores"


def versions() -> str:
    """The versions of Python and of PACKAGES on one line; a package may be `not installed`."""
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return ", ".join(found)


if __name__ == "__main__":
    sys.exit(main())
