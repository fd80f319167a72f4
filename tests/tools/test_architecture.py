"""The shipped source keeps its import rules and its ban list, and each rule is able to fail."""

import ast
import re
import sys
from pathlib import Path

import pytest

from tools.rules import HOST_MODULES, ROOT, cycles, findings, imports, shipped

IMPORTED_AS = {"pillow": "PIL"}

BROKEN = {
    "one model part imports another": ("sora_core/models/dit.py", "from ..sampling import euler"),
    "a part imports the pipeline": ("sora_core/video/reader.py", "from ..pipeline import run"),
    "training reaches the pipeline": ("sora_core/training/loss.py", "from .. import pipeline"),
    "the core imports the nodes": ("sora_core/canvas/canvas.py", "from ...nodes import host"),
    "the core is imported absolutely": (
        "sora_core/canvas/canvas.py",
        "from sora_core.shapes import Size",
    ),
    "the core imports the host's API": (
        "sora_core/canvas/canvas.py",
        "from comfy_api.latest import io",
    ),
    "a node touches the host": ("nodes/canvas.py", "import comfy.utils"),
    "a node touches the host's folders": ("nodes/canvas.py", "from folder_paths import base_path"),
    "network": ("sora_core/files.py", "from urllib.request import urlopen"),
    "routes": ("nodes/canvas.py", "from server import PromptServer"),
    "process": ("sora_core/files.py", "import os\nos.system('ls')"),
    "process by alias": ("sora_core/files.py", "import os as system\nsystem.popen('ls')"),
    "process by name": ("sora_core/files.py", "from os import popen"),
    "spawning elsewhere": ("sora_core/training/loss.py", "import torch\ntorch.multiprocessing"),
    "environment": ("sora_core/files.py", "import os\nos.environ['A'] = '1'"),
    "eval": ("sora_core/files.py", "eval('1')"),
    "exec by another name": ("sora_core/files.py", "run = exec"),
    "importlib": ("sora_core/files.py", "def load():\n    import importlib.util"),
    "pickle": ("sora_core/files.py", "import pickle"),
    "torch.load": ("sora_core/checkpoints/safetensors_io.py", "import torch\ntorch.load('x')"),
    "torch.load by name": ("sora_core/checkpoints/safetensors_io.py", "from torch import load"),
    "ctypes": ("sora_core/files.py", "import ctypes"),
    "zipfile": ("sora_core/files.py", "import zipfile"),
    "print": ("sora_core/files.py", "print('x')"),
    "bare except": ("sora_core/files.py", "try:\n    x = 1\nexcept:\n    x = 2"),
    "except Exception": (
        "nodes/canvas.py",
        "try:\n    x = 1\nexcept (ValueError, Exception):\n    x = 2",
    ),
}

FINE = {
    "inside one part": ("sora_core/models/dit.py", "from .layers import Attention"),
    "shared ground": ("sora_core/models/dit.py", "from ..errors import ConfigError"),
    "samplers in training": ("sora_core/training/loss.py", "from ..sampling import samplers"),
    "the pipeline": ("sora_core/pipeline/generate.py", "from ..models.dit import DiT"),
    "a node and the core": ("nodes/canvas.py", "from ..sora_core.canvas import Canvas"),
    "a node and the API": ("nodes/canvas.py", "from comfy_api.latest import io"),
    "the host part": ("nodes/host/models/model.py", "import comfy.utils"),
    "spawning where it belongs": (
        "sora_core/training/distributed.py",
        "from torch import multiprocessing",
    ),
    "re.compile": ("sora_core/prompts/sanitize.py", "import re\nre.compile('x')"),
    "a method called load": (
        "sora_core/checkpoints/safetensors_io.py",
        "self.load()\nmodel.eval()",
    ),
    "one kind of error": ("sora_core/files.py", "try:\n    x = 1\nexcept OSError:\n    x = 2"),
}


@pytest.mark.parametrize("file", shipped(), ids=str)
def test_the_shipped_source_breaks_no_rule(file):
    assert findings(file, (ROOT / file).read_text(encoding="utf-8")) == []


def test_no_module_imports_itself_through_others():
    assert cycles({file: (ROOT / file).read_text(encoding="utf-8") for file in shipped()}) == []


@pytest.mark.parametrize("file, source", BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_is_found(file, source):
    assert findings(Path(file), source)


@pytest.mark.parametrize("file, source", FINE.values(), ids=FINE)
def test_allowed_source_is_left_alone(file, source):
    assert findings(Path(file), source) == []


def test_a_ring_of_imports_is_found():
    ring = {
        Path("sora_core/a.py"): "from .b import x",
        Path("sora_core/b.py"): "from . import c",
        Path("sora_core/c.py"): "def late():\n    from .a import y",
    }
    assert ["sora_core.a", "sora_core.b", "sora_core.c", "sora_core.a"] in cycles(ring)


def packages(file, source):
    """What a file imports beside itself, Python and the host."""
    tops = {name.split(".")[0] for _, _, name in imports(file, ast.parse(source))}
    return tops - sys.stdlib_module_names - {"", "comfy_api", "sora_core", *HOST_MODULES}


def declared(*lists):
    lines = "\n".join((ROOT / path).read_text() for path in lists)
    names = re.findall(r"^[\w-]+", lines, flags=re.M)
    return {"torch", *(IMPORTED_AS.get(name, name.replace("-", "_")) for name in names)}


@pytest.mark.parametrize("file", shipped(), ids=str)
def test_every_package_that_is_imported_is_declared(file):
    lists = ["requirements.txt"]
    if file.parts[1:2] in [(part,) for part in ("world", "training", "measure")]:
        lists += [f"tools/requirements/{name}.txt" for name in ("train", "teacher", "shots")]
    source = (ROOT / file).read_text(encoding="utf-8")
    assert packages(file, source) - declared(*lists) == set()


def reached(starts):
    """The shipped files that importing `starts` runs: what they import when they are imported."""
    files = {
        ".".join(file.with_suffix("").parts).removesuffix(".__init__"): file for file in shipped()
    }
    todo, found = [*starts], set()
    while todo:
        file = todo.pop()
        if file in found:
            continue
        found.add(file)
        module = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        module.body = [
            node for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        for _, _, name in imports(file, module):
            for part in (name[1:], name[1:].rpartition(".")[0]):
                if name.startswith(".") and part in files:
                    todo.append(files[part])
    return found


def test_the_nodes_start_without_the_packages_of_training():
    nodes = [file for file in shipped() if file.parts[0] == "nodes"]
    needed = set()
    for file in reached(nodes):
        needed |= packages(file, (ROOT / file).read_text(encoding="utf-8"))
    assert needed <= declared("requirements.txt")


def test_a_package_of_training_behind_an_import_is_found():
    world = reached([Path("sora_core/measure/reconstruction.py")])
    assert Path("sora_core/world/raycast.py") in world
    assert "numba" in packages(
        Path("sora_core/world/raycast.py"), (ROOT / "sora_core/world/raycast.py").read_text()
    )
