"""Runs tests of the nodes, in this process, on another ComfyUI than the pinned one.

`PYTHON -m tools.on_host --comfyui PATH tests/nodes/test_guide_frames.py`, where PYTHON is the
interpreter that runs the ComfyUI in PATH. Packages that a test never calls but the host imports
are replaced where PYTHON lacks them or has them for another torch; other arguments go to pytest.
"""

import argparse
import importlib
import importlib.machinery
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

import tools.host
from tools.run import tree

REPLACED = {
    "torchvision": ("transforms", "transforms.functional", "transforms.v2", "ops", "io"),
    "torchaudio": ("functional", "transforms"),
    "numba": (),
}
"""Packages of the host that no test of ours calls, and what of them it imports."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="on_host", description=__doc__)
    parser.add_argument("--comfyui", type=tree, required=True, help="the folder of that ComfyUI")
    options, rest = parser.parse_known_args()
    use_host(options.comfyui)
    return int(pytest.main(rest))


def use_host(folder: Path) -> None:
    """From now on the ComfyUI in `folder` is the one that tests load."""
    tools.host.bring_host = lambda *_: folder
    for package, parts in REPLACED.items():
        if works(package):
            continue
        for name in (package, *(f"{package}.{part}" for part in parts)):
            spec = importlib.machinery.ModuleSpec(name, None)
            sys.modules[name] = MagicMock(__spec__=spec, __path__=[], __version__="0")


def works(package: str) -> bool:
    """Whether `package` is there and was built for this torch."""
    try:
        importlib.import_module(package)
    except (ImportError, RuntimeError, OSError):
        for name in [name for name in sys.modules if name.split(".")[0] == package]:
            del sys.modules[name]
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
