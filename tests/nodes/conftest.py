"""Loads the pack into this process the way ComfyUI does, as the package `sora_nodes`.

A test then writes `from sora_nodes.nodes.canvas import SoraCanvas`.
"""

import gc

import pytest
import torch

from tools.host import ROOT
from tools.pack import load_file, load_pack

load_pack()

import folder_paths  # noqa: E402  ComfyUI's

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
    return load_file("tiny_models", PACK)


@pytest.fixture(scope="session")
def folder(pack, tmp_path_factory):
    """Where their files are."""
    folder = tmp_path_factory.mktemp("models")
    pack.write(folder)
    return folder


@pytest.fixture
def temp(tmp_path):
    """The host's folder of temporary files, inside the test's own."""
    before = folder_paths.get_temp_directory()
    folder_paths.set_temp_directory(str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    yield tmp_path / "temp"
    folder_paths.set_temp_directory(before)


@pytest.fixture(autouse=True)
def output(tmp_path, monkeypatch):
    """The host's output folder, one for each test: no test finds files of another."""
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path / "output"))
    return tmp_path / "output"
