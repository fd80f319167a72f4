"""What a user's pip does to ComfyUI's packages: it resolves our list with all that it requires.

These need a package index, as the setting up of the tests does.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.host import ROOT, bring_host

pytestmark = pytest.mark.slow
OURS = ROOT / "requirements.txt"


def resolved(report: Path, *arguments: str | Path) -> dict[str, str]:
    """The versions by name that pip would install; nothing is installed."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--report", report]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(report.read_text())["install"]
    return {item["metadata"]["name"].lower(): item["metadata"]["version"] for item in found}


def test_our_requirements_install_nothing_over_a_host_environment(tmp_path):
    assert resolved(tmp_path / "report.json", "-r", OURS) == {}


def test_a_package_that_would_move_the_host_is_found(tmp_path):
    """The teacher of the text encoder, which users had to install once."""
    teacher = ROOT / "tools" / "requirements" / "teacher.txt"
    moved = resolved(tmp_path / "report.json", "-r", teacher)
    assert "transformers" in moved


def test_comfyui_gets_the_same_packages_beside_ours_as_alone(tmp_path):
    theirs = bring_host() / "requirements.txt"
    alone = resolved(tmp_path / "alone.json", "--ignore-installed", "-r", theirs)
    both = resolved(tmp_path / "both.json", "--ignore-installed", "-r", theirs, "-r", OURS)
    assert {name: both.get(name) for name in alone} == alone
    assert both.keys() - alone.keys() <= {"jaxtyping", "wadler-lindig", "wadler_lindig"}
