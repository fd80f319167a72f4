"""Runs the jobs of a batch on a Ray cluster: a ComfyUI for each worker, and a job for each task."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import fsspec
import ray
from ray.exceptions import RayActorError, RayTaskError

from tools.batch.jobs import Job
from tools.batch.manifest import Manifest
from tools.batch.remote import saved_files
from tools.batch.work import Show, named
from tools.batch.workflow import PlanError
from tools.client import Graph, GraphError
from tools.host import ROOT, Server, bring_host

MOST_DEATHS = 3  # of the worker, while it ran the job

# ComfyUI has a process group of its own, and would outlive a worker that is killed
WATCH = "import os, signal, sys; sys.stdin.read(); os.killpg(int(sys.argv[1]), signal.SIGKILL)"


class Worker:
    """A headless ComfyUI, which lives as long as the Ray actor that owns it."""

    def __init__(self, comfyui: Path | None, models: Path | None) -> None:
        tree = comfyui or bring_host()
        base = Path(tempfile.mkdtemp(prefix="batch-"))
        for name, folder in (("models", models or tree / "models"), ("input", tree / "input")):
            if folder.exists():
                (base / name).symlink_to(folder.resolve(), target_is_directory=True)
        self.server = Server(tree, base)
        self.server.__enter__()
        command = [sys.executable, "-c", WATCH, str(self.server.process.pid)]
        self.watch = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

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
        for file, path in named(name, saved_files(run.outputs())):
            write(f"{out}/{path}", client.view(file))
            paths.append(path)
        if not paths:
            raise GraphError("saved nothing: add a node that saves")
        shutil.rmtree(self.server.output, ignore_errors=True)  # all of it is in `out` now
        return paths, (max(stamps) - min(stamps)) / 1000 if stamps else None

    def end_with_comfyui(self) -> None:
        """If ComfyUI has ended, so does this process: Ray starts it anew, and repeats the job."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.server.process.wait(1)
            os._exit(1)

    def process(self) -> int:
        """The id of ComfyUI's process."""
        return self.server.process.pid


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
        ray.init(address=address, runtime_env=settings, log_to_driver=False)
        gpus = int(ray.cluster_resources().get("GPU", 0))
        count = workers or gpus or sum(node["Alive"] for node in ray.nodes())
        chosen = {"max_restarts": -1, "max_task_retries": MOST_DEATHS - 1}
        chosen |= {"num_gpus": 1} if gpus else {"num_cpus": 1}
        actor = ray.remote(**chosen, scheduling_strategy="SPREAD")(Worker)
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
        """Returns when each job is done or failed. Ray moves a job from a worker that dies."""
        entries = manifest.entries()
        waiting = deque(name for name in jobs if entries[name].state not in ("done", "failed"))
        idle, flying = deque(self.workers), {}
        while waiting or flying:
            while waiting and idle:
                worker, name = idle.popleft(), waiting.popleft()
                task = worker.run.remote(name, jobs[name].graph, out)
                manifest.sent(name, task.hex())
                show(name, "sent", {})
                show(name, "execution_start", {})
                flying[task] = (name, worker)
            (task,), _ = ray.wait(list(flying))
            name, worker = flying.pop(task)
            idle.append(worker)
            again, what, said = self.outcome(manifest, name, task, retries)
            show(name, what, said)
            if again:
                waiting.append(name)

    @staticmethod
    def outcome(
        manifest: Manifest, name: str, task: ray.ObjectRef, retries: int
    ) -> tuple[bool, str, dict[str, object]]:
        """Whether a job has to run again, and what has become of it."""
        try:
            files, seconds = ray.get(task)
        except RayTaskError as error:
            if not isinstance(error.cause, GraphError):
                raise PlanError(f"a worker cannot work: {error.cause}") from error
            again = manifest.missed(name, str(error.cause), retries)
            return again, "again" if again else "failed", {"error": str(error.cause)}
        except RayActorError as error:
            manifest.failed(name, f"its worker ended {MOST_DEATHS} times: {error}")
            return False, "failed", {"error": str(error)}
        manifest.done(name, files, seconds)
        return False, "done", {"files": files, "seconds": seconds}
