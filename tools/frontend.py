"""The newest front end of the package index, for tests beside that of the pinned ComfyUI."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tools.host import CACHE, HostError

PACKAGE = "comfyui-frontend-package"
INSIDE = "comfyui_frontend_package/static/"


def newest_frontend(python: str = sys.executable) -> Path:
    """The folder of the newest front end that pip finds; offline, the newest local one."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        fetch = ("-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE)
        done = subprocess.run([python, *fetch], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wheels = list(Path(folder).glob("*.whl"))
        if not wheels:
            here = sorted(CACHE.glob("frontend-*"), key=version_of)
            if here:
                return here[-1]
            raise HostError(f"cannot download {PACKAGE}:\n{done.stdout.decode(errors='replace')}")
        (wheel,) = wheels
        place = CACHE / f"frontend-{wheel.name.split('-')[1]}"
        if not place.exists():
            unpacked = Path(folder) / "unpacked"
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(
                    unpacked, [n for n in archive.namelist() if n.startswith(INSIDE)]
                )
            shutil.move(unpacked / INSIDE, place)
        return place


def version_of(place: Path) -> tuple[int, ...]:
    """The version in the name of a folder, as numbers that compare."""
    return tuple(int(part) for part in place.name.removeprefix("frontend-").split("."))
