"""Kills ComfyUI at random moments of a long job, and shows that each job ends as if it had not.

python -m tools.kill_long_job --kills 20

A tiny model with random weights paints a long video. For each kill a job of its own is queued, the
server gets SIGKILL after a random time, starts again, and the same workflow is queued again. The
latent must be the one of an unbroken run, bit for bit, and no part that was finished may be painted
again.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
import torch

from sora_core.jobs import jobs, read_manifest
from sora_core.weights import read
from tests.tiny import NAME, write_tiny
from tools.client import Graph, GraphError, Run
from tools.host import CACHE, Server, bring_host

SHOTS = "a red ball rolls to the left\na blue cube falls on grass\na green cone spins"
JOBS, LATENTS = "sora-jobs", "latents"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.kill_long_job", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="kills-") as folder:
        return 0 if killed(Path(folder), options.kills, random.Random(options.seed)) else 1


def killed(base: Path, kills: int, moments: random.Random) -> bool:
    """Whether every one of so many kills left no trace; prints what became of each."""
    write_tiny(base / "models" / "diffusion_models")
    server = Server(bring_host(), base)
    with server:
        began = time.monotonic()
        whole, _ = ran(server)
        took, total = time.monotonic() - began, finished(server)
        print(f"unbroken: {total} parts in {took:.1f} s", flush=True)
        moment, before = kill_after(server, moments.uniform(0, took))
    fine = 0
    for number in range(1, kills + 1):
        with server:
            latent, there = ran(server)
            same = torch.equal(latent, whole)
            fine += same and there >= before
            print(
                f"kill {number} after {moment:.1f} s: {before} of {total} parts were finished, "
                f"{there} not painted again, {'bit-identical' if same else 'ANOTHER LATENT'}",
                flush=True,
            )
            if number < kills:
                moment, before = kill_after(server, moments.uniform(0, took))
    print(f"{fine} of {kills} kills left no trace")
    return fine == kills


def workflow() -> Graph:
    """A long video of the tiny model, sampled with fresh noise at each step, as a latent file."""
    nodes = {
        "loader": ("SoraLoadModel", {"model": NAME}),
        "canvas": (
            "SoraCanvas",
            {"aspect": "custom", "width": 64, "height": 64, "seconds": 16.0, "fps": 8.0},
        ),
        "story": (
            "SoraStoryboard",
            {"canvas": ["canvas", 0], "clip": ["loader", 1], "text": SHOTS},
        ),
        "negative": ("SoraEncodePrompt", {"clip": ["loader", 1], "text": ""}),
        "latent": ("SoraEncodeCanvas", {"canvas": ["story", 0], "vae": ["loader", 2]}),
        "noise": ("SoraNoise", {"seed": 7}),
        "sigmas": ("SoraSchedule", {"latent": ["latent", 0], "steps": 12}),
        "guider": (
            "SoraGuider",
            {
                "model": ["loader", 0],
                "positive": ["story", 1],
                "negative": ["negative", 0],
                "latent": ["latent", 0],
            },
        ),
        "sample": (
            "SoraSample",
            {
                "noise": ["noise", 0],
                "guider": ["guider", 0],
                "sigmas": ["sigmas", 0],
                "latent": ["latent", 0],
                "sampler": "sde",
            },
        ),
        "save": ("SaveLatent", {"samples": ["sample", 0], "filename_prefix": f"{LATENTS}/made"}),
    }
    return {key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in nodes.items()}


def ran(server: Server) -> tuple[torch.Tensor, int]:
    """The latent that a whole run saved, and how many of its parts were there already."""
    shutil.rmtree(server.output / LATENTS, ignore_errors=True)  # a kill may come after the end
    run = server.client.run(server.client.completed(workflow()))
    (path,) = (server.output / LATENTS).glob("*.latent")
    return read(path)["latent_tensor"], there_already(run)


def there_already(run: Run) -> int:
    """What Sora Sample said of it."""
    said = json.dumps(run.outputs()["sample"])
    words = said.split()
    return int(words[words.index("them") - 2]) if "were there already" in said else 0


def kill_after(server: Server, seconds: float) -> tuple[float, int]:
    """Begins the job anew and kills the server so many seconds after it began to run; gives them,
    and how many parts were finished by then."""
    shutil.rmtree(server.output / JOBS, ignore_errors=True)
    server.client.post("/free", {"unload_models": True, "free_memory": True})  # else all is cached
    running = threading.Event()

    def queue() -> None:
        graph = server.client.completed(workflow())
        with suppress(GraphError, aiohttp.ClientError, ConnectionError):
            server.client.run(graph, lambda kind, data: running.set())

    thread = threading.Thread(target=queue)
    thread.start()
    running.wait()
    time.sleep(seconds)
    server.signal(signal.SIGKILL)
    server.process.wait()
    thread.join()
    return seconds, finished(server)


def finished(server: Server) -> int:
    """How many parts of the one job are finished."""
    found = [read_manifest(folder) for folder in jobs(server.output / JOBS)]
    return max((len(manifest.done) for manifest in found if manifest), default=0)


if __name__ == "__main__":
    sys.exit(main())
