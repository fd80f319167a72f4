"""One training run in a folder at a time: the folder of a run is locked while it trains."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import TrainingError
from ...resume.folder_lock import lock_folder, unlocking


@contextmanager
def locked_run(folder: Path) -> Iterator[None]:
    """Locks `folder` for the block; TrainingError where another process trains in it.

    The system releases the lock of a killed process. Where it has no locks, as on Windows and some
    network disks, nothing is locked.
    """
    try:
        handle = lock_folder(folder)
    except BlockingIOError as problem:
        raise TrainingError(
            f"another process trains in {folder.name[:60]!a:.62}: wait until it ends, or choose "
            "another folder"
        ) from problem
    with unlocking(handle):
        yield
