"""Renews `tools/requirements/dev.lock`: every package of development by version and hash.

PyTorch is left out: `tools/run.py` pins it, since its index depends on the machine.
"""

import os
import subprocess
import sys

from tools.rules import ROOT

LISTS = (
    "requirements.txt",
    *(f"tools/requirements/{n}.txt" for n in ("host", "train", "test", "batch")),
)
LOCK = "tools/requirements/dev.lock"
OPTIONS = (
    *("--universal", "--python-version", "3.10", "--generate-hashes", "--no-annotate", "--quiet"),
    *("--excludes", "tools/requirements/torch.txt", "--output-file", LOCK),
)


def main() -> int:
    """The exit status of uv. Pins stay while they fit; options such as `--upgrade` go to uv."""
    command = (sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, *LISTS, *sys.argv[1:])
    environment = os.environ | {"UV_CUSTOM_COMPILE_COMMAND": "python -m tools.lock"}
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
