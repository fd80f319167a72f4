"""The archive that publishing would pack: all that git tracks, less what `.comfyignore` names."""

import shutil
import subprocess
from pathlib import Path

import pathspec

from tools.host import ROOT


def archive() -> list[str]:
    """The files of the archive, by their paths in the repository."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    ignored = (ROOT / ".comfyignore").read_text("utf-8").splitlines()
    excluded = pathspec.PathSpec.from_lines("gitignore", ignored)
    return [file for file in files.splitlines() if not excluded.match_file(file)]


def unpack(folder: Path) -> Path:
    """`folder`, with the files of the archive in it as the Registry would unpack them."""
    for file in archive():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    return folder
