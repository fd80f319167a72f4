"""On a Ray cluster each job is done once, though a worker, a ComfyUI and a node are killed."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading

import psutil
import pytest

from tests.host.test_batch import first_pictures, graph
from tests.support.tiny import write_tiny
from tools.batch.jobs import plan
from tools.batch.manifest import Manifest
from tools.host import ROOT

ray = pytest.importorskip("ray", reason="pip install -r tools/requirements/ray.txt")
cluster_utils = pytest.importorskip("ray.cluster_utils")

pytestmark = [pytest.mark.host, pytest.mark.slow]

JOBS = 12


@pytest.fixture
def machines():
    """Two nodes of one CPU each."""
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_each_job_is_done_once_though_a_worker_a_comfyui_and_a_node_are_killed(machines, tmp_path):
    from tools.batch.cluster import Cluster

    write_tiny(tmp_path / "models" / "diffusion_models")
    rows = [{"name": "j", "noise.seed": f"1..{JOBS}"}, {"name": "bad", "loader.model": "none"}]
    jobs = {job.name: job for job in plan(graph(), rows, "b")}
    cluster = Cluster(machines.address, models=tmp_path / "models")
    assert len(cluster.workers) == 2
    kills = {
        2: lambda: ray.kill(cluster.workers[0], no_restart=False),
        4: lambda: end_comfyui(cluster.workers[1]),
        6: lambda: machines.remove_node(machines.list_all_nodes()[1], allow_graceful=False),
    }
    ended, tries = [], []

    def kill_some(name, what, data):
        tries.append((name, what))
        if what in ("done", "failed"):
            ended.append(name)
            if kill := kills.pop(len(ended), None):
                threading.Thread(target=kill).start()

    with Manifest(tmp_path / "m") as manifest:
        manifest.add(list(jobs.values()))
        cluster.run(manifest, jobs, str(tmp_path / "out"), retries=2, show=kill_some)
        failed = [entry for entry in manifest.entries().values() if entry.state != "done"]
    assert not kills
    assert [(entry.name, entry.tries) for entry in failed] == [("bad", 3)]
    assert sorted(ended) == sorted(jobs)  # none is reported twice
    assert any(what == "lost" for _, what in tries)
    pictures = first_pictures(tmp_path / "out")
    assert set(pictures) == set(jobs) - {"bad"}
    assert len({picture.tobytes() for picture in pictures.values()}) == JOBS


def test_the_command_reaches_the_cluster_and_leaves_no_comfyui_behind(machines, tmp_path):
    write_tiny(tmp_path / "models" / "diffusion_models")
    (tmp_path / "graph.json").write_text(json.dumps(graph()))
    (tmp_path / "jobs.jsonl").write_text(json.dumps({"name": "j", "noise.seed": [1, 2]}))
    program = [sys.executable, "-m", "tools.batch", "graph.json", "jobs.jsonl"]
    chosen = [f"--ray={machines.address}", "--models=models", "--workers=1"]
    out, before = tmp_path / "out", workers_comfyuis()
    done = subprocess.run(
        [*program, *chosen, f"--out=file://{out}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(first_pictures(out)) == {"j-1", "j-2"}
    assert psutil.wait_procs(workers_comfyuis() - before, timeout=30)[1] == []


def workers_comfyuis():
    """The processes whose folder is one that workers make."""
    flag = f"--base-directory={tempfile.gettempdir()}/batch-"
    found = psutil.process_iter(["cmdline"])
    return {process for process in found if flag in " ".join(process.info["cmdline"] or ())}


def end_comfyui(worker):
    os.kill(ray.get(worker.process.remote()), signal.SIGKILL)
