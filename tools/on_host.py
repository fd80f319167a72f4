"""Runs tests on another ComfyUI than the pinned one, in this process and in servers.

`PYTHON -m tools.on_host --comfyui PATH tests/nodes/test_guide_frames.py`, where PYTHON is the
interpreter that runs the ComfyUI in PATH. Packages that a test never calls but the host imports
are replaced where PYTHON lacks them or has them for another torch; other arguments go to pytest.
"""

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path

import pytest

import tools.host
from tools.run import tree

REPLACED = {
    "torchvision": (
        "transforms",
        "transforms.functional",
        "transforms.v2",
        "ops",
        "io",
        "models",
        "models.optical_flow",
    ),
    "torchaudio": ("functional", "transforms"),
    "numba": (),
}
"""Packages of the host that no test of ours calls, and what of them it imports."""


STAND_IN = """import importlib.machinery
import sys
from unittest.mock import MagicMock

for name in {names!r}:
    spec = importlib.machinery.ModuleSpec(name, None)
    sys.modules[name] = MagicMock(__spec__=spec, __path__=[], __version__="0")
"""
"""The code that replaces packages, in this process and as `sitecustomize` in servers."""


def main() -> int:
    """The exit code of pytest, which gets all arguments but `--comfyui`."""
    parser = argparse.ArgumentParser(prog="on_host", description=__doc__)
    parser.add_argument("--comfyui", type=tree, required=True, help="the folder of that ComfyUI")
    options, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        use_host(options.comfyui, Path(folder))
        return int(pytest.main(rest))


def use_host(comfyui: Path, folder: Path) -> None:
    """From now on the ComfyUI in `comfyui` is the one that tests load, also in servers.

    `folder` is for the code that servers run as they start.
    """
    tools.host.bring_host = lambda *_: comfyui
    names = [
        name
        for package, parts in REPLACED.items()
        if not works(package)
        for name in (package, *(f"{package}.{part}" for part in parts))
    ]
    code = STAND_IN.format(names=names)
    exec(code, {})
    (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


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
