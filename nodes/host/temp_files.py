"""Files in the host's temp folder: each lasts as long as something in memory refers to it.

The host empties the folder when it starts and ends; a night's batch would fill the disk before.
"""

import logging
import secrets
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import folder_paths
from PIL import Image

from ...sora_core.shapes import Frames

PREVIEW_PREFIX = "sora_preview_"
MAX_PREVIEWS = 500  # pictures of about 10 kB; the page asks for one soon after it was made


class TempPath(type(Path())):
    """A path whose file is removed once nothing refers to this object."""


class TempName(str):
    """The name of the file of a TempPath, and a reference to it."""

    path: TempPath


def temp_path(suffix: str) -> TempPath:
    """An unused path in the temp folder, which is made if it does not exist."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    path = TempPath(folder / f"sora_{secrets.token_hex(8)}{suffix}")
    weakref.finalize(path, remove_file, str(path)).atexit = False
    return path


def temp_name(path: TempPath) -> TempName:
    """The name of the file at `path` for objects of the host, which refer to files by text."""
    name = TempName(path)
    name.path = path
    return name


def remove_file(name: str) -> None:
    """Removes the file, if the system lets go of it: Windows does not while it is read."""
    with suppress(OSError):
        Path(name).unlink(missing_ok=True)


def preview_files(frames: Frames) -> list[Mapping[str, Any]]:
    """The pictures in the temp folder that show `frames`, as the host's page names files.

    Empty where the disk refuses, with a warning in the log: a result does not fail for its preview.
    Of older previews the last `MAX_PREVIEWS` stay.
    """
    folder = Path(folder_paths.get_temp_directory())
    names = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_old_previews(folder)
        for frame in frames:
            path = folder / f"{PREVIEW_PREFIX}{secrets.token_hex(8)}.png"
            try:
                Image.fromarray(frame.cpu().numpy()).save(path, "PNG", compress_level=1)
            except OSError:
                remove_file(str(path))  # what was written of it
                raise
            names.append(path.name)
    except OSError as problem:
        logging.getLogger(__name__).warning("no preview: %s: %s", folder, problem.strerror)
    return [{"filename": name, "subfolder": "", "type": "temp"} for name in names]


def remove_old_previews(folder: Path) -> None:
    """Removes the oldest previews in `folder` beyond `MAX_PREVIEWS`."""
    previews = list(folder.glob(f"{PREVIEW_PREFIX}*.png"))
    if len(previews) <= MAX_PREVIEWS:
        return
    dated = []
    for path in previews:
        with suppress(FileNotFoundError):
            dated.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(dated)[:-MAX_PREVIEWS]:
        remove_file(str(path))
