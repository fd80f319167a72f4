"""Importing the core touches nothing: no network, process, environment or file (figure 15)."""

import json
import subprocess
import sys

import pytest

from tools.rules import ROOT, shipped

pytestmark = pytest.mark.slow

FORBIDDEN = (
    "socket.", "urllib.", "http.", "ftplib.", "smtplib.",
    "subprocess.", "os.system", "os.exec", "os.fork", "os.spawn", "os.posix_spawn", "os.startfile",
    "os.putenv", "os.unsetenv", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link",
    "os.symlink", "os.truncate", "os.chmod", "shutil.", "tempfile.", "pickle.", "ctypes.dlopen",
)  # fmt: skip

WATCHED = """
import importlib, json, os, sys, time
modules, others, forbidden = json.loads(sys.argv[1])
for other in others:
    importlib.import_module(other)

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
events = []

def hook(event, args):
    if event == "open":
        wrote = set(args[1] or "r") & set("wax+") or (args[2] or 0) & WRITES
        if wrote and not str(args[0]).endswith(".pyc"):
            events.append([event, str(args[0])])
    elif event.startswith(tuple(forbidden)):
        events.append([event, str(args)[:200]])

sys.dont_write_bytecode = True
before = time.perf_counter()
environment = dict(os.environ)
sys.addaudithook(hook)
for module in modules:
    importlib.import_module(module)
cuda = sys.modules["torch"].cuda.is_initialized()
taken = time.perf_counter() - before
changed = environment != dict(os.environ)
print(json.dumps({"events": events, "cuda": cuda, "seconds": taken, "environment": changed}))
"""

OTHERS = (  # what they do as they load is not ours to promise
    "torch", "torch.nn.functional", "torch.distributed", "torch.multiprocessing",
    "torch.utils.tensorboard", "numpy", "einops", "jaxtyping", "safetensors.torch", "av",
    "tokenizers", "numba", "PIL.Image", "PIL.ImageDraw", "PIL.ImageFont",
    "concurrent.futures.thread", "tempfile",
)  # fmt: skip

FOR_TRAINING = ("world", "training", "measure", "cli.world", "cli.train", "cli.measure")

WITHOUT_EXTRAS = """
import importlib, json, sys
for missing in ("numba", "tensorboard", "torch.utils.tensorboard"):
    sys.modules[missing] = None
for module in json.loads(sys.argv[1]):
    importlib.import_module(module)
"""


def core_modules():
    names = [".".join(file.with_suffix("").parts) for file in shipped() if len(file.parts) > 1]
    core = [name.removesuffix(".__init__") for name in names if name.startswith("sora_core")]
    return [name for name in core if not name.endswith("__main__")]


def python(source, *arguments):
    command = [sys.executable, "-c", source, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def watched(modules):
    done = python(WATCHED, json.dumps([modules, OTHERS, FORBIDDEN]))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_every_module_touches_nothing():
    modules = core_modules()
    observed = watched(modules)
    took, events = observed["seconds"], len(observed["events"])
    print(f"import: {len(modules)} modules, {took:.2f} s, {events} events")
    assert (observed["events"], observed["environment"], observed["cuda"]) == ([], False, False)


@pytest.mark.parametrize(
    "source",
    [
        "import socket; socket.socket()",
        "import subprocess, sys; subprocess.run([sys.executable, '-V'])",
        "import os; os.environ['SORA'] = '1'",
        "open('written-by-test', 'a').close()",
    ],
)
def test_a_module_that_touches_something_is_caught(tmp_path, source):
    (tmp_path / "guilty.py").write_text(source)
    arguments = json.dumps([["guilty"], ["torch"], FORBIDDEN])
    command = [sys.executable, "-c", WATCHED, arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert json.loads(done.stdout.splitlines()[-1])["events"]


def test_generating_needs_nothing_that_only_training_needs():
    training = tuple(f"sora_core.{part}" for part in FOR_TRAINING)
    modules = [name for name in core_modules() if not name.startswith(training)]
    assert python(WITHOUT_EXTRAS, json.dumps(modules)).stderr == ""
