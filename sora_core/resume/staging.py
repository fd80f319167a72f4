"""Folders in which files are written before they take their place: locked while their writer lives.

A file that is written beside its place is lost when another process clears that folder. One that is
written in a folder of its own and moved when it is complete is not; and what a killed writer leaves
is known at once, because its lock went with it.
"""

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows; there it is old age alone that tells of a dead writer
    fcntl = None

SUFFIX = ".part"
STALE_SECONDS = 3600  # without a lock to ask: no file of ours takes so long to write
LOCKLESS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
ATTEMPTS = 1000  # to move a file into a folder that others keep removing; each takes microseconds


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A new, empty folder below `root`, locked by this process; it is removed in the end.

    What the disk refuses passes through as OSError.
    """
    folder, handle = _locked_folder(root)
    try:
        yield folder
    finally:
        _remove(folder)
        if handle is not None:
            os.close(handle)


def _locked_folder(root: Path) -> tuple[Path, int | None]:
    for _ in range(ATTEMPTS):
        root.mkdir(parents=True, exist_ok=True)
        folder = root / f".{secrets.token_hex(8)}{SUFFIX}"
        folder.mkdir()
        with suppress(FileNotFoundError, BlockingIOError):  # taken for stale before it was locked
            handle = _lock(folder)
            if folder.is_dir():
                return folder, handle
            if handle is not None:
                os.close(handle)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), root)


def move_into_place(file: Path, path: Path) -> None:
    """Moves a complete `file` to `path`; the folder is made, as often as others remove it."""
    for attempt in range(1, ATTEMPTS + 1):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.replace(file, path)
            return
        except FileNotFoundError:
            if attempt == ATTEMPTS or not file.exists():
                raise


def is_staging(folder: Path) -> bool:
    """Whether `folder` bears the name of a staging folder."""
    return folder.name.startswith(".") and folder.suffix == SUFFIX


def remove_stale(root: Path) -> int:
    """Removes the staging folders below `root` whose writers are dead: how many there were."""
    stale = [folder for folder in root.glob(f".*{SUFFIX}") if folder.is_dir() and _is_stale(folder)]
    for folder in stale:
        _remove(folder)
    return len(stale)


def _is_stale(folder: Path) -> bool:
    try:
        handle = _lock(folder)
        if handle is None:
            return time.time() - folder.stat().st_mtime > STALE_SECONDS
        os.close(handle)
    except OSError:  # locked by its writer, or just removed by it
        return False
    return True


def _lock(folder: Path) -> int | None:
    """A handle that holds the lock of `folder`; None where the disk knows no locks,
    BlockingIOError where another holds it."""
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if error.errno in LOCKLESS:
            return None
        raise
    return handle


def _remove(folder: Path) -> None:
    with suppress(OSError):
        for file in folder.iterdir():
            file.unlink(missing_ok=True)
        folder.rmdir()
