"""Atomic writes: a file appears under its name only once it is complete."""

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UNFINISHED = re.compile(r"\..*-[0-9a-f]{16}\.part(\..*)?")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, with its suffix; the file there replaces `path` at the end.

    The block creates the file and closes it. If the block raises, an interrupt included, the
    temporary file is removed and `path` is unchanged. OSError where the disk refuses, and
    IsADirectoryError where `path` is a folder.
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


def remove_unfinished(folder: Path) -> None:
    """Removes the temporary files in `folder` that killed processes wrote in `replacing`.

    No process may be writing there. OSError where the disk refuses.
    """
    for path in folder.glob(".*.part*"):
        if _UNFINISHED.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Flushes the folder entry if possible; else a power cut may bring back the old file."""
    with suppress(OSError):  # Windows opens no folders, and some network disks sync none
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
