"""Locks on folders: a process holds one while it writes there. Killed processes lose theirs."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: whether a folder is in use is known by its age alone
    fcntl = None

HAS_LOCKS = fcntl is not None
LOCKLESS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


def lock_folder(folder: Path, *, shared: bool = False) -> int | None:
    """A handle that holds the lock of `folder`; None where the file system has no locks.

    BlockingIOError where another process holds it, `shared` locks aside if this one is shared.
    """
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if error.errno in LOCKLESS:
            return None
        raise
    return handle


@contextmanager
def unlocking(handle: int | None) -> Iterator[None]:
    """Frees the lock that `handle` holds once the block ends; nothing if it is None."""
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)
