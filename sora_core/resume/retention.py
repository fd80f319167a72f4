"""Limits on finished jobs: the oldest are removed first, and never one that is running."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path

from ..errors import ConfigError, MediaError
from .folder_lock import HAS_LOCKS, lock_folder, unlocking
from .jobs import JOB_MANIFEST, JOB_NAME, read_manifest, remove, size_on_disk

DAY = 86_400.0  # seconds
QUIET_SECONDS = 3600.0  # on Windows: a job that was written to since then counts as running


@dataclass(frozen=True, slots=True)
class JobLimits:
    """How much disk finished jobs may take together, and for how long each stays unused.

    0 is no limit. ConfigError for a negative number.
    """

    gigabytes: float = 20.0
    days: float = 30.0

    def __post_init__(self) -> None:
        if not (0 <= self.gigabytes < inf and 0 <= self.days < inf):
            raise ConfigError(
                f"job limits of {self.gigabytes} GB and {self.days} days: choose 0 or more; 0 is "
                "no limit"
            )


@dataclass(frozen=True, slots=True)
class RemovedJobs:
    """What was removed: the names of the jobs, and their bytes."""

    names: tuple[str, ...] = ()
    bytes: int = 0


def job_folders(root: Path) -> list[Path]:
    """The folders of all jobs below `root`, the last written first. It opens no file."""
    with suppress(FileNotFoundError), os.scandir(root) as entries:
        found = [
            (entry.stat(follow_symlinks=False).st_mtime_ns, entry.name)
            for entry in entries
            if is_job_name(entry.name) and entry.is_dir(follow_symlinks=False)
        ]
        return [root / name for _, name in sorted(found, reverse=True)]
    return []


def is_job_name(name: str) -> bool:
    """Whether a folder of this name is that of a job."""
    return len(name) == JOB_NAME and set(name) <= set("0123456789abcdef")


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """Holds a lock in the block: `remove_expired` of any process leaves the job in `folder`."""
    handle = None
    with suppress(OSError):  # another process removes the job, or has removed it
        handle = lock_folder(folder, shared=True)
    with unlocking(handle):
        yield


def remove_expired(root: Path, limits: JobLimits, now: float | None = None) -> RemovedJobs:
    """Removes finished jobs below `root` that exceed `limits`, those unused for longest first.

    A job's time is that of its manifest, which is written when it starts, resumes and finishes; the
    job used last stays whatever its size. A job that is running, or that the disk does not let go,
    stays too. A time to come is one of a clock that was wrong: the job counts as the first used,
    and its days as beginning now.
    """
    now = time.time() if now is None else now
    finished = sorted(_finished(root, now), reverse=True)
    names, freed, total = [], 0, 0.0
    for i, (used, size, folder) in enumerate(finished):
        total += size
        old = limits.days and used and now - used > limits.days * DAY
        large = limits.gigabytes and total > limits.gigabytes * 1e9
        if i and (old or large) and _remove_unless_running(folder, now):
            names.append(folder.name)
            freed += size
            total -= size
    return RemovedJobs(tuple(names), freed)


def _finished(root: Path, now: float) -> Iterator[tuple[float, int, Path]]:
    """When each finished job was used, 0 for a time to come, its bytes, and its folder."""
    for folder in job_folders(root):
        manifest = read_manifest(folder)
        with suppress(OSError):  # another process removes it meanwhile
            if manifest is not None and manifest.finished:
                used = (folder / JOB_MANIFEST).stat().st_mtime
                if used > now + QUIET_SECONDS:
                    os.utime(folder / JOB_MANIFEST, (now, now))
                    used = 0.0
                yield used, size_on_disk(folder), folder


def _remove_unless_running(folder: Path, now: float) -> bool:
    """Removes the job in `folder` unless it is running, and returns whether it is gone."""
    try:
        handle = lock_folder(folder)
    except OSError:  # it is running, or gone
        return False
    with unlocking(handle), suppress(MediaError, OSError):
        quiet = abs(now - folder.stat().st_mtime) >= QUIET_SECONDS
        if handle is not None or (quiet and not HAS_LOCKS):  # network disks without locks: never
            remove(folder)
            return not folder.exists()
    return False
