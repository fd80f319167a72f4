"""Runs the jobs of a batch on a Ray cluster: a ComfyUI for each worker, and a job for each task."""

import contextlib
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath

import aiohttp
import fsspec
import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayTaskError

from tools.batch.answers import AnswerError, parse_files
from tools.batch.content import HEAD, ContentError, check_content, result_paths
from tools.batch.jobs import Job
from tools.batch.manifest import Manifest
from tools.batch.runner import Show
from tools.batch.workflow import PlanError
from tools.client import GraphError
from tools.graph import Graph
from tools.host import ROOT, Server, bring_host

# ComfyUI has a process group of its own, and would outlive a worker that is killed
WATCH = "import os, signal, sys; sys.stdin.read(); os.killpg(int(sys.argv[1]), signal.SIGKILL)"


class Worker:
    """A headless ComfyUI, which lives as long as the Ray actor that owns it."""

    def __init__(self, comfyui: Path | None, models: Path | None) -> None:
        base = Path(tempfile.mkdtemp(prefix="batch-"))
        if found := models or (comfyui and comfyui / "models"):
            (base / "models").symlink_to(found.resolve(), target_is_directory=True)
        flags = [f"--input-directory={comfyui / 'input'}"] if comfyui else []
        packs = [ROOT, *(packs_of(comfyui) if comfyui else [])]
        self.server = Server(comfyui or bring_host(), base, packs=packs, flags=flags)
        self.server.__enter__()
        command = [sys.executable, "-c", WATCH, str(self.server.process.pid)]
        self.watch = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    @ray.method(max_task_retries=-1)
    def process(self) -> int:
        """The id of ComfyUI's process, once it is ready, wherever and as often as it starts."""
        return self.server.process.pid

    def run(self, name: str, graph: Graph, out: str) -> tuple[list[str], float | None]:
        """The files of a job, as they are called below `out`, and the seconds it took."""
        client = self.server.client
        try:
            run = client.run(client.completed(graph), seconds=None)
        except (GraphError, aiohttp.ClientError, OSError) as error:
            self.end_with_comfyui()
            raise GraphError(str(error)) from error
        stamps = [data["timestamp"] for _, data in run.events if "timestamp" in data]
        paths = []
        try:
            for file, path in result_paths(name, parse_files(run.outputs())):
                content = client.view(asdict(file))
                check_content(content[:HEAD], len(content), PurePosixPath(path).suffix)
                write(f"{out}/{path}", content)
                paths.append(path)
        except (AnswerError, ContentError) as error:
            raise GraphError(str(error)) from error
        if not paths:
            raise GraphError("saved nothing: add a node that saves")
        shutil.rmtree(self.server.output, ignore_errors=True)  # all of it is in `out` now
        return paths, (max(stamps) - min(stamps)) / 1000 if stamps else None

    def end_with_comfyui(self) -> None:
        """Ends this process if ComfyUI has ended: Ray starts it again, and repeats the job."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.server.process.wait(1)
            os._exit(1)


def packs_of(comfyui: Path) -> list[Path]:
    """The packs installed in a ComfyUI, this one aside."""
    found = sorted((comfyui / "custom_nodes").glob("*/__init__.py"))
    return [file.parent for file in found if file.parent.resolve() != ROOT]


def write(url: str, content: bytes) -> None:
    """Leaves the whole content at a path or an fsspec URL, or nothing."""
    system, path = fsspec.url_to_fs(url)
    system.makedirs(system._parent(path), exist_ok=True)
    with system.transaction, system.open(path, "wb") as file:
        file.write(content)


class Cluster:
    """The workers on the Ray cluster at `address`: one for each GPU, or else for each node."""

    def __init__(
        self,
        address: str,
        *,
        workers: int | None = None,
        comfyui: Path | None = None,
        models: Path | None = None,
    ) -> None:
        settings = {"env_vars": {"PYTHONPATH": str(ROOT)}}  # the checkout, at one path everywhere
        ray.init(address=address, runtime_env=settings, log_to_driver=False, logging_level="ERROR")
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cores = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
        gpus = int(sum(node.get("GPU", 0) for node in nodes))
        count = workers or gpus or len(cores)
        share = min(cores, default=1) // math.ceil(count / max(len(cores), 1))
        # as many threads everywhere: their number shows in the last bits of a video
        needs = {"num_gpus": 1} if gpus else {"num_cpus": max(share, 1)}
        chosen = needs | {"max_restarts": -1, "scheduling_strategy": "SPREAD"}
        actor = ray.remote(Worker).options(**chosen)
        self.workers = [actor.remote(comfyui, models) for _ in range(count)]

    def run(
        self,
        manifest: Manifest,
        jobs: Mapping[str, Job],
        out: str,
        *,
        retries: int,
        show: Show,
    ) -> None:
        """Returns when each job is done or failed. A worker has one job at a time.

        Ray restarts a worker that died, on any free node, and its job goes to
        whichever is free next; a worker whose node does not come back is not waited for.
        """
        entries = manifest.entries()
        waiting = deque(name for name in jobs if entries[name].state not in ("done", "failed"))
        resting = {worker.process.remote(): worker for worker in self.workers}
        flying: dict[ray.ObjectRef, tuple[str, ActorHandle]] = {}
        while waiting or flying:
            (task,), _ = ray.wait([*flying, *(resting if waiting else ())])
            if worker := resting.pop(task, None):
                ready(task)
                name = waiting.popleft()
                task = worker.run.remote(name, jobs[name].graph, out)
                flying[task] = (name, worker)
                manifest.sent(name, task.hex())
                manifest.running(name)
                show(name, "sent", {})
                show(name, "execution_start", {})
            else:
                name, worker = flying.pop(task)
                resting[worker.process.remote()] = worker
                what, details = outcome(manifest, name, task, retries)
                show(name, what, details)
                if what in ("again", "lost"):
                    waiting.append(name)


def ready(task: ray.ObjectRef) -> None:
    """PlanError if the worker that was asked cannot begin at all."""
    try:
        ray.get(task)
    except (RayTaskError, RayActorError) as error:
        raise PlanError(f"a worker cannot start: {error}") from error


def outcome(
    manifest: Manifest, name: str, task: ray.ObjectRef, retries: int
) -> tuple[str, dict[str, object]]:
    """What has become of a job, and details for the board."""
    try:
        files, seconds = ray.get(task)
    except RayTaskError as error:
        if not isinstance(error.cause, GraphError):
            raise PlanError(f"a worker cannot work: {error.cause}") from error
        again = manifest.missed(name, str(error.cause), retries)
        return "again" if again else "failed", {"error": str(error.cause)}
    except RayActorError:
        again = manifest.lost(name)
        return "lost" if again else "failed", {"error": manifest.entry(name).error or ""}
    manifest.done(name, files, seconds)
    return "done", {"files": files, "seconds": seconds}
