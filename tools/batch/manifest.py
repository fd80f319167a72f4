"""What has become of each job, in a file that outlives this process and the server."""

import json
import re
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tools.batch.jobs import Job
from tools.batch.text import printable
from tools.batch.workflow import PlanError

FILE_NAME = "batch.sqlite"
FORMAT = 1  # of the file; another is refused
MAX_DEATHS = 3  # of the server, while it ran the job
STATES = ("waiting", "sent", "running", "done", "failed")

TABLES = """
CREATE TABLE IF NOT EXISTS batch (client TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    settings TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',  -- then sent, running, and done or failed
    prompt TEXT,
    tries INTEGER NOT NULL DEFAULT 0,
    deaths INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    files TEXT NOT NULL DEFAULT '[]',
    seconds REAL
);
"""

COLUMNS = "name, state, prompt, tries, deaths, error, files, seconds"
SELECT = f"SELECT {COLUMNS} FROM jobs"


class LockedError(PlanError):
    """Another process works with the manifest."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One job of the manifest."""

    name: str
    state: str
    prompt: str | None
    tries: int
    deaths: int
    error: str | None
    files: tuple[str, ...]
    seconds: float | None


class Manifest:
    """The file at `path`, for this process alone while the context is open.

    PlanError if the file is damaged, or belongs to another program.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.label = printable(str(path), 200)

    def __enter__(self) -> "Manifest":
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            folder = printable(str(self.path.parent), 200)
            raise PlanError(f"the folder {folder} cannot be made: {error.strerror}") from error
        for path in (self.path, *(Path(f"{self.path}{end}") for end in ("-wal", "-journal"))):
            if path.is_symlink() or (path.exists() and not path.is_file()):
                raise PlanError(f"{printable(str(path), 200)} is a link, or no file: remove it")
        try:
            self.file = sqlite3.connect(self.path, timeout=0, isolation_level=None)
        except sqlite3.Error as error:
            raise PlanError(f"{self.label} cannot be used ({error}): check its folder") from error
        try:
            self.open()
        except sqlite3.OperationalError as error:
            self.file.close()
            if "locked" in str(error):
                raise LockedError(f"{self.label} is in use: another batch is at work") from error
            raise PlanError(f"{self.label} cannot be used ({error}): check its folder") from error
        except sqlite3.DatabaseError as error:
            self.file.close()
            raise PlanError(f"{self.label} is damaged ({error}): use another --out") from error
        except BaseException:
            self.file.close()
            raise
        return self

    def open(self) -> None:
        """Locks the file, makes its tables if it is new, and checks all that it holds."""
        # a process that is killed leaves a whole file, and its lock ends with it
        self.file.execute("PRAGMA trusted_schema = OFF")
        self.file.execute("PRAGMA locking_mode = EXCLUSIVE")
        names = {name for (name,) in self.file.execute("SELECT name FROM sqlite_master")}
        (found,) = self.file.execute("PRAGMA user_version").fetchone()
        if found not in (0, FORMAT):
            raise PlanError(f"{self.label} has format {found}, not {FORMAT}: use another --out")
        if (names and found == 0) or (found and not {"batch", "jobs"} <= names):
            raise PlanError(f"{self.label} belongs to another program: use another --out")
        self.file.execute("PRAGMA journal_mode = WAL")
        self.file.execute("PRAGMA synchronous = NORMAL")
        self.file.executescript(f"BEGIN EXCLUSIVE; {TABLES} PRAGMA user_version = {FORMAT};")
        if not self.file.execute("SELECT 1 FROM batch").fetchone():
            self.file.execute("INSERT INTO batch VALUES (?)", [uuid.uuid4().hex])
        self.file.execute("COMMIT")
        self.client()
        self.entries()

    def __exit__(self, *ended: object) -> None:
        self.file.close()

    def client(self) -> str:
        """Our name on the server: the same after a restart, so that its messages reach us."""
        (client,) = self.file.execute("SELECT client FROM batch").fetchone()
        if not isinstance(client, str) or not re.fullmatch(r"[0-9a-f]{32}", client):
            raise PlanError(f"{self.label} is damaged (its client id): use another --out")
        return client

    def add(self, jobs: Sequence[Job]) -> None:
        """Adds the new jobs; PlanError if a job that was begun has changed."""
        rows = self.file.execute("SELECT name, digest, state FROM jobs")
        known = {name: (digest, state) for name, digest, state in rows}
        added = []
        for job in jobs:
            digest, state = known.get(job.name, (None, "waiting"))
            new = job.digest()
            if digest == new:
                continue
            if state != "waiting":
                raise PlanError(
                    f"job {job.name!r} was {state} with other values: use another --out"
                )
            added.append((job.name, new, json.dumps(job.settings)))
        self.file.execute("BEGIN")
        query = "INSERT OR REPLACE INTO jobs (name, digest, settings) VALUES (?, ?, ?)"
        self.file.executemany(query, added)
        self.file.execute("COMMIT")

    def entries(self) -> dict[str, Entry]:
        """Every job ever planned here, by name; PlanError if a row is damaged."""
        found = {}
        for row in self.file.execute(SELECT).fetchall():
            entry = self.checked(row)
            found[entry.name] = entry
        return found

    def entry(self, name: str) -> Entry:
        return self.checked(self.file.execute(f"{SELECT} WHERE name = ?", [name]).fetchone())

    def checked(self, row: tuple[Any, ...]) -> Entry:
        """The entry in a row of the file; PlanError unless this program wrote it."""
        name, state, prompt, tries, deaths, error, files, seconds = row
        wrong, paths = None, relative_paths(files)
        if not isinstance(name, str):
            wrong = "a name that is no text"
        elif state not in STATES:
            wrong = "an unknown state"
        elif state in ("sent", "running") and not is_id(prompt):
            wrong = "no prompt id"
        elif not isinstance(tries, int) or not isinstance(deaths, int):
            wrong = "a count that is no number"
        elif not isinstance(error, str | None) or not isinstance(seconds, int | float | None):
            wrong = "an error or a time of another type"
        elif paths is None:
            wrong = "files that are no paths below its folder"
        if wrong:
            job = printable(str(name), 80)
            raise PlanError(
                f"{self.label} is damaged: job {job} has {wrong}; use another --out, or remove it"
            )
        return Entry(name, state, prompt, tries, deaths, error, paths or (), seconds)

    def sent(self, name: str, prompt: str) -> None:
        """Called before the job is sent: a process killed in between looks for `prompt` later."""
        self.change(name, "state = 'sent', prompt = ?, tries = tries + 1", prompt)

    def running(self, name: str) -> None:
        self.change(name, "state = 'running'")

    def done(self, name: str, files: Sequence[str], seconds: float | None) -> None:
        paths = json.dumps(list(files))
        self.change(name, "state = 'done', error = NULL, files = ?, seconds = ?", paths, seconds)

    def failed(self, name: str, error: str) -> None:
        self.change(name, "state = 'failed', error = ?", printable(error))

    def again(self, name: str, error: str | None = None) -> None:
        """The job waits for another try."""
        self.change(name, "state = 'waiting', error = ?", error and printable(error))

    def missed(self, name: str, error: str, retries: int) -> bool:
        """Whether a job that failed on the server waits for another of its tries."""
        again = self.entry(name).tries <= retries
        if again:
            self.again(name, error)
        else:
            self.failed(name, error)
        return again

    def lost(self, name: str) -> bool:
        """Whether a job that was sent, and that the server does not know, waits again.

        One that has ended the server each time it ran does not.
        """
        found = self.entry(name)
        deaths = found.deaths + (found.state == "running")
        self.change(name, "deaths = ?, tries = max(tries - 1, 0)", deaths)
        if deaths >= MAX_DEATHS:
            self.failed(name, f"ComfyUI ended {deaths} times while it ran this job")
        else:
            self.again(name)
        return deaths < MAX_DEATHS

    def forget_missing(self, out: Path) -> None:
        """A job that is done waits again if a file of it is gone from `out`."""
        for name, found in self.entries().items():
            if not all((out / file).exists() for file in found.files):
                self.again(name)
                self.change(name, "files = '[]'")

    def forgive(self) -> None:
        """Failed jobs wait again, as if they had never been tried."""
        changed = "state = 'waiting', tries = 0, deaths = 0"
        self.file.execute(f"UPDATE jobs SET {changed} WHERE state = 'failed'")

    def change(self, name: str, fields: str, *values: object) -> None:
        query = f"UPDATE jobs SET {fields} WHERE name = ?"
        self.file.execute(query, [*values, name])


def is_id(prompt: object) -> bool:
    return isinstance(prompt, str) and re.fullmatch(r"[\w-]{1,128}", prompt, re.ASCII) is not None


def relative_paths(files: object) -> tuple[str, ...] | None:
    """The paths in a JSON list, if each stays below the folder of the manifest."""
    if files == "[]":
        return ()
    try:
        paths = json.loads(files) if isinstance(files, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        return None
    inside = (path and "\0" not in path and is_inside(PurePosixPath(path)) for path in paths)
    return tuple(paths) if all(inside) else None


def is_inside(path: PurePosixPath) -> bool:
    return not path.is_absolute() and ".." not in path.parts


def states_of(path: Path) -> Mapping[str, str]:
    """The state of each job in the manifest at `path`, which is only read; none if it is absent.

    LockedError while a batch works with it.
    """
    if not path.exists():
        return {}
    with Manifest(path) as manifest:
        return {name: entry.state for name, entry in manifest.entries().items()}
