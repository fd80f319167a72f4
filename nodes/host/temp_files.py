"""Files in the host's temp folder: each lasts as long as something in memory refers to it.

The host empties the folder only when it starts and ends; a long batch would fill the disk.
"""

import logging
import secrets
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import folder_paths
from PIL import Image

from ...sora_core.shapes import Frames
from ...sora_core.video.container import media_errors

PREVIEW_PREFIX = "sora_preview_"
MAX_PREVIEWS = 500  # pictures of about 10 kB; the page requests each soon after it is written


class TempPath(type(Path())):
    """A path whose file is removed once nothing refers to this object."""


class TempName(str):
    """The name of the file of a TempPath, and a reference to it."""

    path: TempPath


def temp_path(suffix: str) -> TempPath:
    """An unused path in the temp folder, which is created if missing.

    MediaError if the folder cannot be created.
    """
    folder = Path(folder_paths.get_temp_directory())
    with media_errors(folder, "be made, the temp folder of ComfyUI"):
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
    """Removes the file if the system allows it: Windows does not while it is open."""
    with suppress(OSError):
        Path(name).unlink(missing_ok=True)


def preview_files(frames: Frames) -> list[Mapping[str, Any]]:
    """Writes `frames` as pictures to the temp folder; returns them in the form of the host's page.

    Empty where writing fails, with a warning in the log: a missing preview fails no result. The
    last `MAX_PREVIEWS` older previews stay.
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
                remove_file(str(path))  # the partly written file
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
    dated, now = [], time.time_ns()
    for path in previews:
        with suppress(FileNotFoundError):
            written = path.stat().st_mtime_ns
            dated.append((written if written <= now else 0, path))  # 0: the clock was set back
    for _, path in sorted(dated)[:-MAX_PREVIEWS]:
        remove_file(str(path))
