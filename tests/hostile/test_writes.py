"""Disks that fill up or fail, at every single operation."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from sora_core import files
from sora_core.checkpoints.safetensors_io import read_tensors, write_tensors
from sora_core.errors import MediaError, WeightsError
from sora_core.files import replacing
from sora_core.video.audio import Audio
from sora_core.video.codecs import CODECS
from sora_core.video.writer import write_video

OLD = {"a": torch.zeros(3)}
NEW = {"a": torch.ones(3), "b": torch.arange(5), "c": torch.ones(2, 2)}


class Disk:
    """Counts operations on files and fails the n-th."""

    def __init__(self, fail_at: int, failure: BaseException) -> None:
        self.left, self.failure, self.failed = fail_at, failure, False

    def operate(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.failed = True
            raise self.failure

    def wrap(self, operation: Callable) -> Callable:
        def counted(*args, **kwargs):
            self.operate()
            return operation(*args, **kwargs)

        return counted

    @contextmanager
    def open(self, file):
        with file:
            yield File(self, file)
            self.operate()  # the flush on closing


class File:
    def __init__(self, disk: Disk, file) -> None:
        self.write, self.fileno = disk.wrap(file.write), file.fileno


@pytest.fixture
def failing(monkeypatch):
    def install(fail_at, failure):
        disk = Disk(fail_at, failure)
        opened = Path.open
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", disk.wrap(lambda *a, **k: disk.open(opened(*a, **k))))
            for name in ("open", "fsync", "replace"):
                patch.setattr(files.os, name, disk.wrap(getattr(os, name)))
            yield disk

    return contextmanager(install)


def save_weights(path):
    write_tensors(path, NEW, {"config": "{}"})


def save_text(path):
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        for _ in range(20):
            file.write(b"new")


FULL = OSError(errno.ENOSPC, "No space left on device")
BROKEN = OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("existing", [False, True], ids=["new", "over an old file"])
@pytest.mark.parametrize("failure", [FULL, BROKEN, KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize(("save", "kind"), [(save_weights, WeightsError), (save_text, OSError)])
def test_whichever_operation_fails_the_old_file_stays(
    tmp_path, failing, save, kind, failure, existing
):
    path = tmp_path / "a.safetensors"
    interrupted = isinstance(failure, KeyboardInterrupt)
    failures = 0
    for fail_at in range(1, 100):
        path.unlink(missing_ok=True)
        if existing:
            path.write_bytes(b"old")
        with failing(fail_at, failure) as disk:
            raised = attempt(save, path)
        new = path.exists() and path.read_bytes() != b"old"
        assert list(tmp_path.iterdir()) == ([path] if existing or new else [])
        if raised is None:
            assert new
        elif interrupted:
            assert raised is failure
        else:
            assert not new
            assert isinstance(raised, kind)
            assert len(str(raised)) <= 200
            assert kind is OSError or path.name in str(raised)
        if new:
            assert save is save_text or read_tensors(path).keys() == NEW.keys()
        failures += raised is not None
        if not disk.failed:
            break
    assert not disk.failed, "it never came to an end"
    assert failures >= 7
    print(f"\nfailing_writes {failures} of {fail_at - 1} operations reported, old file intact")


def attempt(save, path):
    try:
        save(path)
    except (OSError, WeightsError, KeyboardInterrupt) as raised:
        return raised
    return None


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from safetensors import SafetensorError
from sora_core.errors import MediaError, WeightsError
from sora_core.files import replacing
from sora_core.checkpoints.safetensors_io import write_tensors

folder, mode = Path(sys.argv[1]), sys.argv[2]
limits = [2**20] if mode == "1 MiB" else range(0, 17 * 1024, 512)
size = 4 * 2**20 if mode == "1 MiB" else 16 * 1024
tensors = {str(i): torch.ones(size // 16) for i in range(4)}

def by_library(path):
    with replacing(path) as unfinished:
        save_file(tensors, unfinished)

def by_pieces(path):
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        for tensor in tensors.values():
            file.write(tensor.numpy().data)

kinds = {
    by_library: (OSError, SafetensorError),
    by_pieces: OSError,
    lambda path: write_tensors(path, tensors): WeightsError,
}
refused = finished = 0
for limit in limits:
    for save, kind in kinds.items():
        for old in (None, b"old"):
            path = folder / "a.safetensors"
            path.unlink(missing_ok=True)
            if old:
                path.write_bytes(old)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            try:
                save(path)
            except kind as raised:
                assert len(str(raised)) <= 200, str(raised)
                assert list(folder.iterdir()) == ([path] if old else []), list(folder.iterdir())
                assert not old or path.read_bytes() == old
                refused += 1
            else:
                assert list(folder.iterdir()) == [path] and path.stat().st_size >= size
                finished += 1
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
print(refused, finished)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file sizes")
@pytest.mark.parametrize("mode", ["1 MiB", "every limit"])
def test_a_limit_on_file_size_leaves_the_old_file_or_a_whole_new_one(tmp_path, mode):
    command = [sys.executable, "-c", LIMITED, str(tmp_path), mode]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    refused, finished = map(int, done.stdout.split())
    print(f"\nfull_disk {mode}: {refused} refused, {finished} whole")
    assert (refused, finished) == (6, 0) if mode == "1 MiB" else min(refused, finished) > 0


FRAMES = torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8)
FILES = [(codec, suffix) for codec, kind in CODECS.items() for suffix in kind.suffixes]
EXTRAS = {
    "audio": Audio(torch.zeros(1, 2000), 8000),
    "metadata": {"prompt": "x" * 5000, "workflow": "y" * 5000},
}


@pytest.mark.parametrize(("codec", "suffix"), FILES)
def test_whichever_operation_fails_a_video_is_whole_or_not_there(tmp_path, failing, codec, suffix):
    path = tmp_path / f"a{suffix}"
    for fail_at in range(1, 30):
        path.write_bytes(b"old")
        with failing(fail_at, FULL) as disk:
            raised = attempt_video(path, codec)
        assert list(tmp_path.iterdir()) == [path]
        assert (path.read_bytes() == b"old") == (raised is not None)
        if not disk.failed:
            break
    assert raised is None and not disk.failed, "it never came to an end"
    assert fail_at > 4


LIMITED_VIDEO = """
import resource, signal, sys
from pathlib import Path
from tests.hostile.test_writes import FILES, attempt_video

folder = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for codec, suffix in FILES:
    path = folder / f"a{suffix}"
    assert attempt_video(path, codec) is None
    whole = path.stat().st_size
    refused = 0
    for part in range(8):
        path.write_bytes(b"old")
        resource.setrlimit(resource.RLIMIT_FSIZE, (whole * part // 8, resource.RLIM_INFINITY))
        raised = attempt_video(path, codec)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert raised is not None and "too large" in str(raised), (codec, suffix, part, raised)
        assert list(folder.iterdir()) == [path] and path.read_bytes() == b"old"
        refused += 1
    path.unlink()
    print(codec, suffix, refused, "of 8")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file sizes")
def test_wherever_the_disk_is_full_every_kind_of_video_says_so_and_leaves_nothing(tmp_path):
    command = [sys.executable, "-c", LIMITED_VIDEO, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.endswith("of 8")]
    assert len(lines) == len(FILES)
    print("\n" + "\n".join(lines))


def attempt_video(path, codec):
    try:
        write_video(path, [FRAMES], 24, codec=codec, **EXTRAS)
    except MediaError as raised:
        assert path.name in str(raised) and len(str(raised)) <= 200
        return raised
    return None
