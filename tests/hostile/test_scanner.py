"""What the Registry's scanners look at: the published archive, by their own linter (figure 16)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.published import archive
from tools.rules import ROOT, findings, shipped

SCANNED = "S,S102,S307,E702"
NEVER_SHIPPED = ("tests/", "tools/", ".ci/", ".github/", ".venv/", ".cache/", "runs/")
NEEDED = ("__init__.py", "pyproject.toml", "requirements.txt", "README.md", "LICENSE")


def scan(*paths):
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--output-format=json"]
    done = subprocess.run(
        [*command, f"--select={SCANNED}", *paths], cwd=ROOT, capture_output=True, text=True
    )
    return [f"{found['code']} {found['filename']}" for found in json.loads(done.stdout)]


def test_the_archive_holds_the_pack_and_nothing_else():
    files = archive()
    print(f"archive {len(files)} files")
    assert [file for file in files if file.startswith(NEVER_SHIPPED)] == []
    assert set(NEEDED) <= set(files)
    assert {file.as_posix() for file in shipped()} == {f for f in files if f.endswith(".py")}


def test_the_linter_of_the_registry_finds_nothing():
    assert scan(*[file for file in archive() if file.endswith(".py")]) == []


@pytest.mark.parametrize(
    "source", ["eval('1')", "exec('1')", "x = 1; y = 2", "import pickle\npickle.loads(x)"]
)
def test_the_linter_is_able_to_find_something(tmp_path, source):
    (tmp_path / "guilty.py").write_text(source + "\n")
    assert scan(str(tmp_path / "guilty.py"))


def test_no_file_of_the_archive_uses_a_banned_name():
    """What pyproject.toml bans for the pack is banned in whatever else the archive may hold."""
    files = [file for file in archive() if file.endswith(".py")]
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select=TID251,T20", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = [line for f in files for line in findings(Path(f), (ROOT / f).read_text("utf-8"))]
    print(f"scanner {len(files)} files, {len(found)} findings")
    assert (done.returncode, found) == (0, []), done.stdout


def test_no_shipped_file_can_be_executed_or_is_a_link():
    odd = [file for file in archive() if (ROOT / file).is_symlink() or is_program(file)]
    assert odd == []


def is_program(file):
    return (ROOT / file).read_bytes()[:2] in (b"#!", b"MZ") or file.endswith((".so", ".dll", ".sh"))
