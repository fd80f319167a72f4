"""The limits on finished jobs: from ComfyUI's settings, a file beside the jobs, or the defaults."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import folder_paths

from ....sora_core.resume.retention import JobLimits, RemovedJobs, remove_expired
from ..paths import jobs_folder

GIGABYTES_SETTING, DAYS_SETTING = "Sora.Jobs.MaxGigabytes", "Sora.Jobs.MaxDays"
"""The names under which the page saves the settings; `web/job_settings.js` has the same."""

USER_SETTINGS = "comfy.settings.json"
LIMITS_FILE = "limits.json"
"""In the folder of the jobs: {"gigabytes": 20, "days": 30}, for servers without a page."""

MAX_TABLE_BYTES = 10_000_000  # bytes of a file of settings


def job_limits() -> JobLimits:
    """The limits in force: of several users of the server, the most generous.

    A limit that no user has set comes from `LIMITS_FILE`, or else is the default. Values other than
    numbers of 0 or more count as not set.
    """
    settings = [read_table(path) for path in settings_files()]
    file, default = read_table(jobs_folder() / LIMITS_FILE), JobLimits()
    return JobLimits(
        gigabytes=chosen(settings, GIGABYTES_SETTING, file, "gigabytes", default.gigabytes),
        days=chosen(settings, DAYS_SETTING, file, "days", default.days),
    )


def settings_files() -> Iterator[Path]:
    """Where ComfyUI saves the settings of its users."""
    with suppress(OSError):
        yield from sorted(Path(folder_paths.get_user_directory()).glob(f"*/{USER_SETTINGS}"))


def read_table(path: Path) -> Mapping[str, object]:
    """The JSON object in the file at `path`; empty where it is missing, malformed or too large."""
    with suppress(OSError, ValueError, RecursionError):
        if path.is_file() and path.stat().st_size <= MAX_TABLE_BYTES:
            table = json.loads(path.read_text("utf-8"))
            return table if isinstance(table, dict) else {}
    return {}


def chosen(
    settings: list[Mapping[str, object]],
    setting: str,
    file: Mapping[str, object],
    key: str,
    default: float,
) -> float:
    """The largest number of `settings`, where 0 is larger than all; else that of `file`."""
    numbers = [number for one in settings if (number := limit_of(one.get(setting))) is not None]
    if numbers:
        return 0.0 if 0 in numbers else max(numbers)
    number = limit_of(file.get(key))
    return default if number is None else number


def limit_of(value: object) -> float | None:
    """`value` as a limit; None unless it is a number of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 1e12 else None


def tidy_jobs() -> str:
    """Removes finished jobs over the limits; a sentence about them, empty if there are none.

    A folder that cannot be read is left as it is, with a warning in the log.
    """
    limits = job_limits()
    try:
        removed = remove_expired(jobs_folder(), limits)
    except OSError as problem:
        logging.getLogger(__name__).warning("jobs not removed: %s", problem)
        return ""
    return removed_text(removed, limits)


def removed_text(removed: RemovedJobs, limits: JobLimits) -> str:
    """A sentence for the user."""
    if not removed.names:
        return ""
    jobs = f"{len(removed.names)} finished job{'s' if len(removed.names) > 1 else ''}"
    return (
        f"Removed {jobs}, {removed.bytes / 1e9:.2g} GB, the oldest first: the limit is "
        f"{limits_text(limits)}."
    )


def limits_text(limits: JobLimits) -> str:
    """The limits in words."""
    size = f"{limits.gigabytes:g} GB" if limits.gigabytes else "any size"
    age = f"{limits.days:g} days" if limits.days else "any age"
    return f"{size} and {age} (Settings, Sora, Jobs)"
