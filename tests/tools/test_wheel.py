"""The wheel, installed into an empty environment, makes the clip of docs/python.md.

What it requires is checked by name, and comes from the environment of the tests: a download of
PyTorch would prove no more.
"""

import re
import shutil
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import sora_core
from sora_core.video.reader import read_frames
from tools.host import ROOT

pytestmark = pytest.mark.slow

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "requirements.txt")
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
FIVE_LINES, EDIT = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy: setuptools leaves folders beside what it builds."""
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        shutil.copy(ROOT / name, source)
    for folder in ("sora_core", "models", "tools/requirements"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, source / folder, ignore=ignore)
    out = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", out)
    run(sys.executable, "-m", "pip", "wheel", *options, source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """An environment that holds the wheel, and borrows the packages that it requires."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment)
    here = Path(sys.executable)
    python = environment / here.parent.name / here.name
    (packages,) = environment.glob("**/site-packages")
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", packages, wheel)
    borrowed = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "borrowed.pth").write_text("\n".join(borrowed))
    return python


def run(*command, cwd=None):
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_every_file_of_the_package_and_the_released_models(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for path in (ROOT / "sora_core").rglob("*") if path.is_file()]
    package = {path.relative_to(ROOT).as_posix() for path in files if path.suffix != ".pyc"}
    weights = {f"sora_core/weights/{path.name}" for path in (ROOT / "models").glob("*.safetensors")}
    assert weights and (package | weights) - names == set()
    assert [name for name in names if not name.startswith(("sora_core/", "sora_nodes-"))] == []


def test_the_wheel_requires_torch_and_what_the_pack_requires(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(archive.read(name).decode())
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    listed = (ROOT / "requirements.txt").read_text().split()
    assert sorted(required) == sorted(["torch", *listed])


def test_five_lines_make_a_clip_in_an_empty_environment(python, tmp_path):
    assert len([line for line in FIVE_LINES.splitlines() if line]) == 5
    where = "import sora_core; print(sora_core.__file__)"
    assert str(ROOT) not in run(python, "-I", "-c", where, cwd=tmp_path)
    run(python, "-I", "-c", FIVE_LINES, cwd=tmp_path)
    chunks = list(read_frames(tmp_path / "ball.mp4"))
    assert sum(map(len, chunks)) == 16 and chunks[0].shape[1:] == (64, 64, 3)
    run(python, "-I", "-c", EDIT, cwd=tmp_path)
    assert sum(map(len, read_frames(tmp_path / "longer.mp4"))) == 32


@pytest.mark.parametrize("name", sora_core.__all__)
def test_each_public_name_is_there_and_in_the_page(name):
    assert getattr(sora_core, name) is not None
    assert f"`{name}" in PAGE


def test_the_package_imports_nothing_of_its_own_before_it_is_used(tmp_path):
    code = "import sys, sora_core; print([n for n in sys.modules if n.startswith('sora_core.')])"
    assert run(sys.executable, "-c", code, cwd=ROOT).strip() == "[]"


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'paint'"):
        sora_core.paint  # noqa: B018
