"""Staging folders: a file is written in one and moved into place once it is complete.

A file written in its final folder is lost if another process clears that folder meanwhile; a
staging folder belongs to one writer. The writer locks it. A killed process loses its locks, so the
folders that it left are recognised at once.
"""

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .folder_lock import lock_folder, unlocking

SUFFIX = ".part"
STALE_SECONDS = 3600  # where locks are missing: no file of ours takes so long to write
ATTEMPTS = 1000  # at a folder that other processes may remove meanwhile; each takes microseconds


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A new, empty folder below `root`, locked by this process and removed when the block ends.

    OSError where the disk refuses.
    """
    folder, handle = _locked_folder(root)
    with unlocking(handle):
        try:
            yield folder
        finally:
            _remove(folder)


def _locked_folder(root: Path) -> tuple[Path, int | None]:
    for _ in range(ATTEMPTS):
        root.mkdir(parents=True, exist_ok=True)
        folder = root / f".{secrets.token_hex(8)}{SUFFIX}"
        folder.mkdir()
        with suppress(FileNotFoundError, BlockingIOError):  # another took it for stale before this
            handle = lock_folder(folder)
            if folder.is_dir():
                return folder, handle
            if handle is not None:
                os.close(handle)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), root)


def move_into_place(file: Path, path: Path) -> None:
    """Moves `file` to `path` and creates its folder, again if another process removes it.

    OSError where the disk refuses.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, path)
            return
        except (FileNotFoundError, FileExistsError):  # removed before, or while, mkdir looked at it
            if attempt == ATTEMPTS or not file.exists():
                raise


def is_staging(folder: Path) -> bool:
    """Whether `folder` has the name of a staging folder."""
    return folder.name.startswith(".") and folder.suffix == SUFFIX


def remove_stale(root: Path) -> int:
    """How many staging folders of dead writers it removed below `root`."""
    return sum(_remove_if_stale(folder) for folder in root.glob(f".*{SUFFIX}") if folder.is_dir())


def _remove_if_stale(folder: Path) -> bool:
    """Holds the lock while it removes: a writer that has just made `folder` must not take it."""
    try:
        handle = lock_folder(folder)
    except OSError:  # its writer has locked it, or has just removed it
        return False
    with unlocking(handle), suppress(FileNotFoundError):
        if handle is not None or time.time() - folder.stat().st_mtime > STALE_SECONDS:
            _remove(folder)
            return True
    return False


def _remove(folder: Path) -> None:
    with suppress(OSError):
        for file in folder.iterdir():
            file.unlink(missing_ok=True)
        folder.rmdir()
