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

try:
    import fcntl
except ImportError:  # Windows: a folder is stale by its age alone
    fcntl = None

SUFFIX = ".part"
STALE_SECONDS = 3600  # where locks are missing: no file of ours takes so long to write
LOCKLESS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
ATTEMPTS = 1000  # at a folder that other processes may remove meanwhile; each takes microseconds


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A new, empty folder below `root`, locked by this process and removed when the block ends.

    OSError where the disk refuses.
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
    try:
        stale = handle is not None or time.time() - folder.stat().st_mtime > STALE_SECONDS
        if stale:
            _remove(folder)
        return stale
    except FileNotFoundError:
        return False
    finally:
        if handle is not None:
            os.close(handle)


def lock_folder(folder: Path) -> int | None:
    """A handle that holds the lock of `folder`; None where the file system has no locks.

    BlockingIOError where another process holds it.
    """
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
