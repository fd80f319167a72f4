"""A file that is written elsewhere first survives clearing, and dead writers leave nothing."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from sora_core.errors import MediaError
from sora_core.resume.jobs import Job, jobs, remove
from sora_core.resume.staging import is_staging, move_into_place, remove_stale, staging
from sora_core.resume.tensor_cache import read_cached, write_cached

ROOT = Path(__file__).parents[3]
WRITER = """
import sys, time
from pathlib import Path
from sora_core.resume.staging import staging
with staging(Path(sys.argv[1])) as folder:
    (folder / "part.safetensors").write_bytes(b"half")
    print("ready", flush=True)
    time.sleep(600)
"""


def test_a_staging_folder_is_gone_with_its_block(tmp_path):
    with staging(tmp_path) as folder:
        (folder / "a").write_text("half")
        assert is_staging(folder) and folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_moved_even_while_its_folder_is_removed(tmp_path):
    place, stop = tmp_path / "job", threading.Event()

    def clear():
        while not stop.is_set():
            if place.is_dir():
                for file in list(place.iterdir()):
                    file.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    place.rmdir()

    clearing = threading.Thread(target=clear)
    clearing.start()
    try:
        for n in range(300):
            with staging(tmp_path) as folder:
                (folder / "a").write_text(str(n))
                move_into_place(folder / "a", place / "a")
    finally:
        stop.set()
        clearing.join()
    assert not [entry for entry in tmp_path.iterdir() if is_staging(entry)]


def test_a_living_writer_keeps_its_folder_in_the_same_process(tmp_path):
    with staging(tmp_path) as folder:
        (folder / "a").write_text("half")
        assert remove_stale(tmp_path) == 0
        assert (folder / "a").read_text() == "half"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no locks of this kind")
def test_what_a_killed_writer_leaves_is_removed_at_once_and_not_before(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writer = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
    assert remove_stale(tmp_path) == 0
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(list(tmp_path.iterdir())) == 1
    assert remove_stale(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_continues_removes_what_was_half_written(tmp_path):
    job = Job(tmp_path, "s", "k", "w", 1, 2)
    (job.folder / ".job-0123456789abcdef.part.json").write_bytes(b"half")
    stale = tmp_path / ".0123456789abcdef.part"
    stale.mkdir()
    (stale / "a.safetensors").write_bytes(b"half")
    Job(tmp_path, "s", "k", "w", 1, 2)
    assert [file.name for file in job.folder.iterdir()] == ["job.json"]
    assert not stale.exists()


def test_a_job_that_is_cleared_while_it_is_generated_is_generated_to_its_end(tmp_path):
    stop, failures = threading.Event(), []

    def clear():
        while not stop.is_set():
            for folder in list(tmp_path.iterdir()):
                try:
                    remove(folder)
                except Exception as error:  # the test is that there is none
                    failures.append(error)

    clearing = threading.Thread(target=clear)
    clearing.start()
    end = time.monotonic() + 2
    try:
        while time.monotonic() < end:
            job = Job(tmp_path, "s", "k", "w", 1, 2)
            part, _ = job.part(0, "p", lambda predictions: {
                "latent": predictions.over(lambda x, sigma: x)(torch.ones(4), torch.tensor(1.0))
            })  # fmt: skip
            assert torch.equal(part["latent"], torch.ones(4))
            job.finish()
    finally:
        stop.set()
        clearing.join()
    assert failures == []
    for folder in jobs(tmp_path):
        for file in folder.glob("*.safetensors"):
            assert read_cached(file, "another key") is None


def test_a_file_in_the_place_of_the_cache_is_named(tmp_path):
    (tmp_path / "one.mp4").write_bytes(b"x")
    with pytest.raises(MediaError, match=r"one.mp4/job: .* check that the first is a folder"):
        write_cached(tmp_path / "one.mp4" / "job" / "0.safetensors", "key", {"x": torch.ones(1)})
