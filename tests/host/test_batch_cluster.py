"""On a Ray cluster each job is done once, though a worker, a ComfyUI and a node are killed."""

import os
import signal
import threading

import pytest

from tests.host.test_batch import first_pictures, paint
from tests.tiny import write_tiny
from tools.batch.jobs import plan
from tools.batch.manifest import Manifest

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
    jobs = {job.name: job for job in plan(paint(), rows, "b")}
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


def end_comfyui(worker):
    os.kill(ray.get(worker.process.remote()), signal.SIGKILL)
