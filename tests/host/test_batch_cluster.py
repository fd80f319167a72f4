"""On a Ray cluster each job is done once, though a worker is killed on the way."""

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
def machines(tmp_path):
    """Two nodes of one CPU each."""
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_each_job_is_done_once_though_a_worker_and_a_comfyui_are_killed(machines, tmp_path):
    from tools.batch.cluster import Cluster

    write_tiny(tmp_path / "models" / "diffusion_models")
    jobs = {
        job.name: job for job in plan(paint(), [{"name": "j", "noise.seed": f"1..{JOBS}"}], "b")
    }
    cluster = Cluster(machines.address, models=tmp_path / "models")
    assert len(cluster.workers) == 2
    killed = []

    def kill_some(name, what, data):
        done = what == "done" and len(killed) + 1
        if done and len(killed) == 0:
            ray.kill(cluster.workers[0], no_restart=False)
        if done and len(killed) == 3:
            threading.Thread(target=end_comfyui, args=[cluster.workers[1]]).start()
        if done:
            killed.append(name)

    with Manifest(tmp_path / "m") as manifest:
        manifest.add(list(jobs.values()))
        out = str(tmp_path / "out")
        cluster.run(manifest, jobs, out, retries=2, show=kill_some)
        states = {entry.state for entry in manifest.entries().values()}
    assert states == {"done"}
    assert sorted(killed) == sorted(jobs)  # none is reported twice
    pictures = first_pictures(tmp_path / "out")
    assert set(pictures) == set(jobs)
    assert len({picture.tobytes() for picture in pictures.values()}) == JOBS


def end_comfyui(worker):
    os.kill(ray.get(worker.process.remote()), signal.SIGKILL)
