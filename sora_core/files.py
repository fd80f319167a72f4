"""Files that appear under their name only when they are complete."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; what is there takes the place of `path` in the end.

    The block creates the file and closes it. If the block fails, be it by an interrupt, the
    unfinished file is removed and `path` is as it was. The name keeps the suffix of `path`. What
    the disk refuses passes through as OSError.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file to replace", path)
    unfinished = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(8)}.part{path.suffix[:16]}")
    try:
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Best effort: the file is complete, only a power cut could still bring the old one back."""
    with suppress(OSError):  # Windows opens no folders, and some network disks sync none
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
