"""The shipped source keeps the rules of import-linter, ruff and tools/rules.py; each can fail."""

import ast
import json
import re
import shutil
import subprocess
import sys
import token
import tokenize
from collections.abc import Sequence
from pathlib import Path
from textwrap import indent
from tokenize import generate_tokens

import pytest

from tools.rules import ROOT, findings, imports, shipped

IMPORTED_AS = {"pillow": "PIL"}
HOST_MODULES = {"comfy", "comfy_api", "comfy_execution", "folder_paths", "latent_preview"}
LINT_IMPORTS = "from importlinter.cli import lint_imports_command as run; run()"

MISPLACED = {
    "one part imports another": (
        ("sora_core/models/dit.py", "from ..sampling import euler"),
        "sora_core.models.dit -> sora_core.sampling",
    ),
    "a part imports the pipeline": (
        ("sora_core/video/reader.py", "from ..pipeline import decode"),
        "sora_core.video.reader -> sora_core.pipeline",
    ),
    "training imports the pipeline": (
        ("sora_core/training/averages.py", "from .. import pipeline"),
        "sora_core.training.averages -> sora_core.pipeline",
    ),
    "training imports the canvas": (
        ("sora_core/training/averages.py", "from ..canvas import edits"),
        "sora_core.training.averages -> sora_core.canvas",
    ),
    "the pipeline imports the world": (
        ("sora_core/pipeline/decode.py", "from ..world import scene"),
        "sora_core.pipeline.decode -> sora_core.world",
    ),
    "resuming imports the models": (
        ("sora_core/resume/jobs.py", "from ..models import dit"),
        "sora_core.resume.jobs -> sora_core.models",
    ),
    "the core imports the host's API": (
        ("sora_core/canvas/canvas.py", "from comfy_api.latest import io"),
        "sora_core.canvas.canvas -> comfy_api",
    ),
    "the core imports the host": (
        ("sora_core/video/still.py", "import comfy.utils"),
        "sora_core.video.still -> comfy",
    ),
    "a node imports the host": (
        ("nodes/canvas.py", "import comfy.utils"),
        "nodes.canvas -> comfy",
    ),
    "a node imports the host's folders": (
        ("nodes/place.py", "from folder_paths import base_path"),
        "nodes.place -> folder_paths",
    ),
    "a node imports the host late": (
        ("nodes/jobs.py", "def f():\n    import latent_preview"),
        "nodes.jobs -> latent_preview",
    ),
    "two modules import each other": (
        ("sora_core/errors.py", "from . import paths"),
        ".paths -> .errors",  # the side of the cycle that it would remove
    ),
    "two modules import each other late": (
        ("sora_core/models/layers.py", "def f():\n    from . import dit"),
        ".layers -> .dit",
    ),
    "a cycle through nodes.host.sampling": (
        ("nodes/host/sampling.py", "from .guidance import guider"),
        ".sampling -> .guidance",
    ),
}
"""A line added to a file, and the import that import-linter names for it."""

BANNED = {
    "the core is imported absolutely": (
        "sora_core/canvas/canvas.py",
        "from sora_core.shapes import Size",
    ),
    "the core is imported absolutely by a node": ("nodes/canvas.py", "import sora_core.shapes"),
    "network": ("sora_core/files.py", "from urllib.request import urlopen"),
    "routes": ("nodes/canvas.py", "from server import PromptServer"),
    "process": ("sora_core/files.py", "import os\nos.system('ls')"),
    "process by alias": ("sora_core/files.py", "import os as system\nsystem.popen('ls')"),
    "process by name": ("sora_core/files.py", "from os import popen"),
    "spawning": ("sora_core/training/averages.py", "import torch\ntorch.multiprocessing.spawn"),
    "environment": ("sora_core/files.py", "import os\nos.environ['A'] = '1'"),
    "importlib": ("sora_core/files.py", "def load():\n    import importlib.util"),
    "pickle": ("sora_core/files.py", "import pickle"),
    "torch.load": ("sora_core/checkpoints/safetensors_io.py", "import torch\ntorch.load('x')"),
    "torch.load by name": ("sora_core/checkpoints/safetensors_io.py", "from torch import load"),
    "ctypes": ("nodes/host/models/model.py", "import ctypes"),
    "zipfile": ("sora_core/files.py", "import zipfile"),
    "builtins": ("sora_core/files.py", "import builtins"),
    "print": ("sora_core/files.py", "print('x')"),
}

NOT_BANNED = {
    "inside one part": ("sora_core/models/dit.py", "from .layers import Attention"),
    "a node and the core": ("nodes/canvas.py", "from ..sora_core.canvas import Canvas"),
    "a node and the API": ("nodes/canvas.py", "from comfy_api.latest import io"),
    "re.compile": ("sora_core/prompts/sanitize.py", "import re\nre.compile('x')"),
    "a method called load": (
        "sora_core/checkpoints/safetensors_io.py",
        "self.load()\nmodel.eval()",
    ),
    "printing by the command line": ("sora_core/__main__.py", "print('x')"),
}

CARELESS = {
    "eval": "eval('1')",
    "exec by another name": "run = exec",
    "compile": "compile('1', '', 'eval')",
    "__import__": "__import__('os')",
    "bare except": "try:\n    x = 1\nexcept:\n    x = 2",
    "except Exception": "try:\n    x = 1\nexcept (ValueError, Exception):\n    x = 2",
    "except Exception that raises": "try:\n    x = 1\nexcept Exception:\n    raise",
}
CAREFUL = {
    "a method": "re.compile('x')\nmodel.eval()",
    "one kind of error": "try:\n    x = 1\nexcept OSError:\n    x = 2",
}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Checks the contracts of the pyproject.toml in `folder` on the packages beside it."""
    command = (sys.executable, "-c", LINT_IMPORTS, "--no-cache", "--no-logo")
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def banned(file: str, source: str) -> list[str]:
    """The codes of ruff's findings about what is banned, if `source` were the file's content."""
    options = ("--no-cache", "--select=TID251,T20,T10", "--output-format=concise")
    command = (sys.executable, "-m", "ruff", "check", *options, f"--stdin-filename={file}", "-")
    done = subprocess.run(command, cwd=ROOT, input=source + "\n", capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return re.findall(r" ([A-Z]+\d+) ", done.stdout)


def undefined(files: Sequence[Path]) -> set[str]:
    """Names that `files` use and nothing defines, with file and line.

    ruff finds them, and the axis names within the strings of jaxtyping too, which do not count.
    """
    options = ("--no-cache", "--isolated", "--select=F821", "--output-format=json")
    command = (sys.executable, "-m", "ruff", "check", *options, *map(str, files))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = set()
    for one in json.loads(done.stdout):
        place, at = Path(one["filename"]), (one["location"]["row"], one["location"]["column"] - 1)
        with tokenize.open(place) as source:
            names = {t.start for t in generate_tokens(source.readline) if t.type == token.NAME}
        if at in names:
            found.add(f"{place.name}:{at[0]}: {one['message']}")
    return found


def test_every_name_is_defined():
    assert (
        undefined([ROOT / folder for folder in ("sora_core", "nodes", "tools", "tests")]) == set()
    )


def test_an_undefined_name_is_found_and_an_axis_name_is_none(tmp_path):
    (tmp_path / "other.py").write_text(
        "from jaxtyping import Float\nfrom torch import Tensor\n\n\n"
        'def grey(x: Float[Tensor, "y x"]) -> Float[Tensor, "y"]:\n    return nn.relu(x)\n'
    )
    assert undefined([tmp_path]) == {"other.py:6: Undefined name `nn`"}


def test_the_shipped_source_breaks_no_rule_of_ruff():
    command = (sys.executable, "-m", "ruff", "check", "--no-cache", *map(str, shipped()))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_imports_of_the_pack_run_one_way():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def misplaced(tmp_path_factory):
    """What import-linter finds in the pack with every line of `MISPLACED` added to it."""
    folder = tmp_path_factory.mktemp("misplaced")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in ("sora_core", "nodes"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.json*"))
    for (file, line), _ in MISPLACED.values():
        with (folder / file).open("a") as source:
            source.write(f"\n{line}\n")
    return lint_imports(folder).stdout


@pytest.mark.parametrize("found", [found for _, found in MISPLACED.values()], ids=MISPLACED)
def test_an_import_that_breaks_a_contract_is_found(misplaced, found):
    assert found in misplaced


@pytest.mark.parametrize("file, source", BANNED.values(), ids=BANNED)
def test_what_is_banned_is_found(file, source):
    assert banned(file, source)


@pytest.mark.parametrize("file, source", NOT_BANNED.values(), ids=NOT_BANNED)
def test_what_is_not_banned_is_left_alone(file, source):
    assert not banned(file, source)


@pytest.mark.parametrize("file", shipped(), ids=str)
def test_no_shipped_file_uses_a_banned_builtin_or_catches_everything(file):
    assert findings(file, (ROOT / file).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("source", CARELESS.values(), ids=CARELESS)
def test_a_banned_builtin_or_a_blind_handler_is_found(source):
    assert findings(Path("nodes/canvas.py"), source)


@pytest.mark.parametrize("source", CAREFUL.values(), ids=CAREFUL)
def test_methods_and_particular_handlers_are_left_alone(source):
    assert findings(Path("nodes/canvas.py"), source) == []


def escapes(file, source):
    """The relative imports by which a file of the core leaves the core."""
    names = imports(file, ast.parse(source))
    return [name for name in names if name.startswith(".") and name.split(".")[1] != "sora_core"]


def test_no_import_leaves_the_core():
    core = [file for file in shipped() if file.parts[0] == "sora_core"]
    assert [escapes(file, (ROOT / file).read_text(encoding="utf-8")) for file in core] == [
        []
    ] * len(core)


def test_an_import_that_leaves_the_core_is_found():
    assert escapes(Path("sora_core/canvas/canvas.py"), "from ...nodes import host")


def packages(file, source):
    """What a file imports beside itself, Python and the host."""
    tops = {name.split(".")[0] for name in imports(file, ast.parse(source))}
    return tops - sys.stdlib_module_names - HOST_MODULES - {"", "sora_core"}


def without_optional(source):
    """`source` without what it imports in a `try` that has an answer to ImportError.

    A function may raise there; a module that raises as it is imported has no answer.
    """
    module = ast.parse(source)
    at_import = list(module.body)

    class Optional(ast.NodeTransformer):
        def visit_Try(self, node):
            caught = [one for one in node.handlers if one.type and "ImportError" in names(one.type)]
            raises = any(isinstance(each, ast.Raise) for one in caught for each in ast.walk(one))
            self.generic_visit(node)
            if caught and not (raises and node in at_import):
                node.body = [ast.Pass()]
            return node

    return ast.unparse(Optional().visit(module))


def names(tree):
    """The names in an expression."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


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
        for name in imports(file, module):
            for part in (name[1:], name[1:].rpartition(".")[0]):
                if name.startswith(".") and part in files:
                    todo.append(files[part])
    return found


def test_the_nodes_start_without_the_packages_of_training():
    nodes = [file for file in shipped() if file.parts[0] == "nodes"]
    needed = set()
    for file in reached(nodes):
        source = (ROOT / file).read_text(encoding="utf-8")
        needed |= packages(file, without_optional(source))
    assert needed <= declared("requirements.txt")


def test_only_an_import_with_an_answer_to_its_failure_is_optional():
    refused = "try:\n    import {}\nexcept ImportError:\n    raise SystemExit('pip install it')\n"
    late = "def f():\n" + indent(refused.format("a"), "    ")
    other = "try:\n    import c\nexcept OSError:\n    raise ImportError from None\nimport d\n"
    absent = "try:\n    import e\nexcept ImportError:\n    e = None\n"
    source = late + refused.format("b") + other + absent
    assert packages(Path("nodes/x.py"), without_optional(source)) == {"b", "c", "d"}


def test_a_package_of_training_behind_an_import_is_found():
    world = reached([Path("sora_core/measure/heldout_clips.py")])
    assert Path("sora_core/world/raycast.py") in world
    assert "numba" in packages(
        Path("sora_core/world/raycast.py"), (ROOT / "sora_core/world/raycast.py").read_text()
    )


def test_a_quotation_is_bounded_after_its_escapes():
    """Of an emoji, `!a` makes ten letters: a slice before it bounds no sentence."""
    unbounded = re.compile(r"\[[^\]]*:[^\]]*\]!a\}")
    found = [path.name for path in shipped() if unbounded.search((ROOT / path).read_text("utf-8"))]
    assert found == []
    assert unbounded.search('f"{name[:60]!a} is gone"')
