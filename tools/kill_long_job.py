"""Kills ComfyUI at random moments of a long job, and checks that the job resumes to equal bits.

python -m tools.kill_long_job --kills 20 --variant windows

A tiny model with random weights generates a long video, in segments, in windows or as a loop. For
each kill a new job is queued, the server gets SIGKILL after a random time, starts again, and the
same workflow is queued again. The latent must equal that of an uninterrupted run, bit for bit, and
no finished segment or cached prediction may be computed again.
"""

import argparse
import json
import random
import re
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

from sora_core.checkpoints.safetensors_io import read_tensors
from sora_core.resume.jobs import jobs, read_manifest
from sora_core.resume.prediction_cache import prediction_files
from tests.support.tiny import NAME, write_tiny
from tools.client import Graph, GraphError, Run
from tools.host import CACHE, ROOT, Server, bring_host

SHOTS = "a red ball rolls to the left\na blue cube falls on grass\na green cone spins"
JOBS, LATENTS = "sora-jobs", "latents"
PACKS = (ROOT, ROOT / "tests" / "host" / "models" / "pack")  # the second brings tiny models

Nodes = dict[str, tuple[str, dict[str, object]]]
Done = tuple[int, int]
"""Parts that are finished, and predictions on the way to the next."""


def main() -> int:
    """0 if every job resumed to equal bits and computed no finished part again, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.kill_long_job", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument(
        "--variant", choices=JOB_VARIANTS, default="chain", help="how the job is generated"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="kills-") as folder:
        moments = random.Random(options.seed)
        return 0 if killed(Path(folder), options.kills, moments, options.variant) else 1


def killed(base: Path, kills: int, moments: random.Random, variant: str) -> bool:
    """Whether every job resumed correctly; prints a line for each kill."""
    write_tiny(base / "models" / "diffusion_models")
    server, graph = Server(bring_host(), base, packs=PACKS), workflow(variant)
    with server:
        whole, _ = ran(server, graph)
        took = lasted(server, graph)
        print(f"{variant}, unbroken: {finished(server)[0]} parts in {took:.1f} s", flush=True)
        moment, before = kill_after(server, graph, moments.uniform(0, took))
    fine = 0
    for number in range(1, kills + 1):
        with server:
            latent, there = ran(server, graph)
            same = torch.equal(latent, whole)
            fine += same and there >= before
            print(
                f"kill {number} after {moment:.1f} s: {text(before)} were there, {text(there)} not "
                f"made again, {'bit-identical' if same else 'ANOTHER LATENT'}",
                flush=True,
            )
            if number < kills:
                moment, before = kill_after(server, graph, moments.uniform(0, took))
    print(f"{fine} of {kills} kills left no trace")
    return fine == kills


def text(done: Done) -> str:
    return f"{done[0]} parts and {done[1]} predictions"


def chain() -> Nodes:
    """A storyboard of the tiny model, segment by segment."""
    return {
        "loader": ("SoraLoadModel", {"model": NAME}),
        "canvas": ("SoraCanvas", {"width": 64, "height": 64, "seconds": 16.0}),
        "story": (
            "SoraStoryboard",
            {"canvas": ["canvas", 0], "clip": ["loader", 1], "text": SHOTS},
        ),
        "negative": ("SoraEncodePrompt", {"clip": ["loader", 1], "text": ""}),
        "latent": ("SoraEncodeCanvas", {"canvas": ["story", 0], "vae": ["loader", 2]}),
        "guider": (
            "SoraGuider",
            {"model": ["loader", 0], "positive": ["story", 1], "negative": ["negative", 0]},
        ),
    }


def loop() -> Nodes:
    """A loop of the tiny model that is longer than its window."""
    return {
        "loader": ("SoraLoadModel", {"model": NAME}),
        "canvas": ("SoraCanvas", {"width": 64, "height": 64, "seconds": 8.0}),
        "ring": ("SoraLoopVideo", {"canvas": ["canvas", 0]}),
        "prompt": ("SoraEncodePrompt", {"clip": ["loader", 1], "text": SHOTS.splitlines()[0]}),
        "negative": ("SoraEncodePrompt", {"clip": ["loader", 1], "text": ""}),
        "latent": ("SoraEncodeCanvas", {"canvas": ["ring", 0], "vae": ["loader", 2]}),
        "guider": (
            "SoraGuider",
            {"model": ["loader", 0], "positive": ["prompt", 0], "negative": ["negative", 0]},
        ),
    }


def windows() -> Nodes:
    """A long video of a tiny Wan, which accepts no conditioning frames."""
    words = {"width": 4096, "pooled": 0, "mask": False}
    return {
        "loader": (
            "UNETLoader",
            {"unet_name": "wan21_t2v_tiny.safetensors", "weight_dtype": "default"},
        ),
        "vae": ("TestVAE", {"channels": 16, "time": 4, "side": 8}),
        "canvas": ("SoraCanvas", {"width": 64, "height": 64, "seconds": 16.0}),
        "positive": ("TestConditioning", {"seed": 1, **words}),
        "negative": ("TestConditioning", {"seed": 2, **words}),
        "latent": ("SoraEncodeCanvas", {"canvas": ["canvas", 0], "vae": ["vae", 0]}),
        "guider": (
            "SoraGuider",
            {
                "model": ["loader", 0],
                "positive": ["positive", 0],
                "negative": ["negative", 0],
                "window": 2.0,
            },
        ),
    }


JOB_VARIANTS = {"chain": chain, "windows": windows, "loop": loop}


def workflow(variant: str) -> Graph:
    """A long video sampled like that, with fresh noise at each step, as a latent file."""
    nodes = JOB_VARIANTS[variant]()
    nodes["guider"][1]["latent"] = ["latent", 0]
    nodes |= {
        "noise": ("SoraNoise", {"seed": 7}),
        "sigmas": ("SoraSchedule", {"latent": ["latent", 0], "steps": 12}),
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


def ran(server: Server, graph: Graph) -> tuple[torch.Tensor, Done]:
    """The latent of a complete run, and how much came from the cache."""
    shutil.rmtree(server.output / LATENTS, ignore_errors=True)  # a kill may come after the end
    run = server.client.run(server.client.completed(graph))
    (path,) = (server.output / LATENTS).glob("*.latent")
    return read_tensors(path)["latent_tensor"], there_already(run)


def there_already(run: Run) -> Done:
    """The cached parts and predictions, from the text of Sora Sample."""
    found = re.search(r"(\d+) parts and (\d+) predictions", json.dumps(run.outputs().get("sample")))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def lasted(server: Server, graph: Graph) -> float:
    """The seconds that the job takes on a server that has run it before."""
    forget(server)
    observed: list[float] = []
    server.client.run(
        server.client.completed(graph), lambda kind, data: observed.append(time.monotonic())
    )
    return observed[-1] - observed[0]


def forget(server: Server) -> None:
    """Removes the jobs, and the server's cached results."""
    shutil.rmtree(server.output / JOBS, ignore_errors=True)
    server.client.post("/free", {"unload_models": True, "free_memory": True})


def kill_after(server: Server, graph: Graph, seconds: float) -> tuple[float, Done]:
    """Restarts the job and kills the server so many seconds after it began to run; returns them,
    and how much was done by then."""
    forget(server)
    running = threading.Event()

    def queue() -> None:
        with suppress(GraphError, aiohttp.ClientError, ConnectionError):
            server.client.run(server.client.completed(graph), lambda kind, data: running.set())

    thread = threading.Thread(target=queue)
    thread.start()
    running.wait()
    time.sleep(seconds)
    server.signal(signal.SIGKILL)
    server.process.wait()
    thread.join()
    return seconds, finished(server)


def finished(server: Server) -> Done:
    """The finished parts and predictions of the job."""
    done = [(0, 0)]
    for folder in jobs(server.output / JOBS):
        manifest = read_manifest(folder)
        parts = dict(manifest.done.values()) if manifest else {}
        names = {name.partition(".")[0] for name in parts}
        waiting = [
            path for path in prediction_files(folder) if path.name.partition(".")[0] not in names
        ]
        done.append((len(parts), len(waiting)))
    return max(done)


if __name__ == "__main__":
    sys.exit(main())
