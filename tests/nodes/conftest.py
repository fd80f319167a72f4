"""Loads the pack into this process the way ComfyUI does, as the package `sora_nodes`.

A test then writes `from sora_nodes.nodes.canvas import SoraCanvas`.
"""

import gc
import importlib.util
import sys

import pytest
import torch

from tools.host import ROOT, bring_host

sys.path.insert(0, str(bring_host()))  # in front: ComfyUI's own `nodes` is a top-level module

import comfy.options  # noqa: F401  before anything that looks for a device
from comfy.cli_args import args

args.cpu = True

import folder_paths  # noqa: E402

import nodes  # noqa: E402, F401  ComfyUI's, as it is imported before any pack

spec = importlib.util.spec_from_file_location("sora_nodes", ROOT / "__init__.py")
sys.modules["sora_nodes"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["sora_nodes"])

PACK = ROOT / "tests" / "host" / "models" / "pack" / "__init__.py"


@pytest.fixture(autouse=True)
def as_the_host_runs_nodes():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def quick_collection():
    """`gc.collect` looks at new objects only: those of imports and other tests take it longer."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def pack():
    """What makes tiny models of the host, and what feeds them."""
    spec = importlib.util.spec_from_file_location("tiny_models", PACK)
    sys.modules["tiny_models"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["tiny_models"])
    return sys.modules["tiny_models"]


@pytest.fixture(scope="session")
def folder(pack, tmp_path_factory):
    """Where their files are."""
    folder = tmp_path_factory.mktemp("models")
    pack.write(folder)
    return folder


@pytest.fixture(autouse=True)
def output(tmp_path, monkeypatch):
    """The host's output folder, one for each test: no test finds files of another."""
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path / "output"))
    return tmp_path / "output"
