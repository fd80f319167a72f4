"""A batch ends with each job done once, whoever is killed on the way, and leaves others alone."""

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import uuid

import av
import numpy as np
import pytest

from tests.support.tiny import NAME, write_tiny
from tools.client import Client
from tools.host import ROOT

pytestmark = pytest.mark.host

JOBS = 16


def graph(**changed):
    """A graph of ten nodes: `changed` sets inputs by node."""
    graph = {
        "loader": ("SoraLoadModel", {"model": NAME}),
        "prompt": ("SoraEncodePrompt", {"clip": ["loader", 1], "text": "a red ball"}),
        "canvas": ("SoraCanvas", {"width": 48, "height": 32, "seconds": 1.0}),
        "latent": ("SoraEncodeCanvas", {"canvas": ["canvas", 0], "vae": ["loader", 2]}),
        "noise": ("SoraNoise", {"seed": 0}),
        "schedule": ("SoraSchedule", {"latent": ["latent", 0], "steps": 4}),
        "guider": ("SoraGuider", {"model": ["loader", 0], "positive": ["prompt", 0]}),
        "sample": ("SoraSample", {"latent": ["latent", 0]}),
        "frames": ("SoraDecodeFrames", {"latent": ["sample", 0], "vae": ["loader", 2]}),
        "save": ("SaveImage", {"images": ["frames", 0], "filename_prefix": "alone"}),
    }
    graph["guider"][1]["negative"] = ["prompt", 0]
    links = {"noise": "noise", "guider": "guider", "sigmas": "schedule"}
    graph["sample"][1].update({part: [key, 0] for part, key in links.items()})
    return {
        key: {"class_type": kind, "inputs": inputs | changed.get(key, {})}
        for key, (kind, inputs) in graph.items()
    }


@pytest.fixture(scope="module")
def own(comfyui, tmp_path_factory):
    """A ComfyUI that a test may kill."""
    base = tmp_path_factory.mktemp("batch")
    write_tiny(base / "models" / "diffusion_models")
    with comfyui(base) as server:
        yield server


@pytest.fixture
def begin(tmp_path, own):
    """Starts a batch of the graph and the rows; the same results folder each time."""
    started = []

    def begin(graph, rows, *flags):
        (tmp_path / "graph.json").write_text(json.dumps(graph))
        (tmp_path / "jobs.jsonl").write_text("\n".join(map(json.dumps, rows)))
        command = [sys.executable, "-m", "tools.batch", tmp_path / "graph.json"]
        command += [tmp_path / "jobs.jsonl", f"--server={own.client.url}"]
        process = subprocess.Popen(
            [*command, f"--out={tmp_path / 'out'}", *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            cwd=ROOT,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def read_until(process, words, times):
    """The lines up to the one in which `words` begin a line for the nth time."""
    lines = []
    while sum(line.startswith(words) for line in lines) < times:
        lines.append(process.stdout.readline())
        assert lines[-1], "".join(lines)
    return lines


def saved_by(server, folder):
    return sorted(path.name for path in (server.output / folder).glob("*.png"))


def first_pictures(folder):
    """The first frame of each job in the results folder."""
    found = {}
    for path in sorted(folder.glob("*/*.png")):
        if path.parent.name not in found:
            with av.open(str(path)) as container:
                found[path.parent.name] = next(container.decode(video=0)).to_ndarray()
    return found


def test_each_job_is_done_once_though_client_and_server_are_killed(begin, own, tmp_path):
    rows = [{"name": "ball", "noise.seed": f"1..{JOBS}"}]
    client = begin(graph(), rows)
    read_until(client, "done", 3)
    client.kill()  # SIGKILL: it can tidy nothing up

    client = begin(graph(), rows)
    before = read_until(client, "done", 3)
    own.signal(signal.SIGKILL)
    own.process.wait()
    lost_at_most = before + read_until(client, "away", 1)
    own.__enter__()
    texts, _ = client.communicate(timeout=300)
    assert client.returncode == 0, texts

    folders = {f"ball-{seed}" for seed in range(1, JOBS + 1)}
    pictures = first_pictures(tmp_path / "out")
    assert set(pictures) == folders
    assert not list((tmp_path / "out").glob("**/*.part"))
    first_files = [name for name in saved_by(own, "jobs") if name.endswith("_00001_.png")]
    again = [name for name in saved_by(own, "jobs") if name.endswith("_00010_.png")]
    assert len(first_files) == JOBS
    assert len(again) <= 2, lost_at_most  # those that died with the server

    alone = Client(own.client.url)
    for seed in (1, 7, JOBS):
        run = alone.run(alone.completed(graph(noise={"seed": seed})))
        file = own.output / run.files()[0]["filename"]
        with av.open(str(file)) as container:
            frame = next(container.decode(video=0)).to_ndarray()
        np.testing.assert_array_equal(pictures[f"ball-{seed}"], frame)


def test_a_batch_that_is_done_runs_nothing_again(begin, own):
    rows = [{"name": "once", "noise.seed": [1, 2]}]
    assert begin(graph(), rows).wait(120) == 0
    ran = own.client.get("/history")
    assert ran and all(prompt == str(uuid.UUID(prompt)) for prompt in ran)  # all that 0.33 takes
    assert begin(graph(), rows).wait(120) == 0
    assert own.client.get("/history").keys() == ran.keys()


def test_a_failed_job_keeps_its_error_and_is_tried_as_often_as_asked(begin, tmp_path):
    rows = [{"name": "good"}, {"name": "bad", "loader.model": "nothing.safetensors"}]
    process = begin(graph(), rows, "--retries=2")
    texts, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "nothing.safetensors" in texts
    with sqlite3.connect(tmp_path / "out" / "batch.sqlite") as file:
        states = dict(file.execute("SELECT name, state FROM jobs"))
    assert states == {"good": "done", "bad": "failed"}


def test_the_jobs_of_others_run_through_untouched(begin, own):
    other, theirs = Client(own.client.url), {}
    rows = [{"name": "ours", "noise.seed": "1..6"}]
    process = begin(graph(), rows)
    read_until(process, "done", 1)
    queued = threading.Thread(
        target=lambda: theirs.update(run=other.run(other.completed(graph(noise={"seed": 99}))))
    )
    queued.start()
    process.send_signal(signal.SIGINT)  # takes its own back, in the middle
    assert process.wait(60) == 130
    queued.join(120)
    assert theirs["run"].files()
    assert begin(graph(), rows).wait(120) == 0


def test_a_server_that_never_comes_is_an_exit_code(begin, tmp_path):
    process = begin(graph(), [{"name": "x"}], "--server=http://127.0.0.1:9", "--wait=1")
    assert process.wait(60) == 3
