"""What has become of each job, in a file that outlives this process and the server."""

import json
import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.batch.jobs import Job
from tools.batch.workflow import PlanError

FORMAT = 1  # of the file; another is refused
MOST_DEATHS = 3  # of the server, while it ran the job

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

SELECT = "SELECT name, state, prompt, tries, deaths, error, files, seconds FROM jobs"


@dataclass(frozen=True, slots=True)
class Entry:
    """One job as the manifest knows it."""

    name: str
    state: str
    prompt: str | None
    tries: int
    deaths: int
    error: str | None
    files: tuple[str, ...]
    seconds: float | None


class Manifest:
    """The file at `path`, for this process alone while the context is open."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> "Manifest":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = sqlite3.connect(self.path, timeout=0, isolation_level=None)
        try:
            # a process that is killed leaves a whole file, and its lock ends with it
            self.file.execute("PRAGMA locking_mode = EXCLUSIVE")
            self.file.execute("PRAGMA journal_mode = WAL")
            self.file.execute("PRAGMA synchronous = NORMAL")
            (found,) = self.file.execute("PRAGMA user_version").fetchone()
            if found not in (0, FORMAT):
                raise PlanError(f"{self.path} has format {found}, not {FORMAT}: use another --out")
            self.file.executescript(f"BEGIN EXCLUSIVE; {TABLES} PRAGMA user_version = {FORMAT};")
            if not self.file.execute("SELECT 1 FROM batch").fetchone():
                self.file.execute("INSERT INTO batch VALUES (?)", [uuid.uuid4().hex])
            self.file.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self.file.close()
            raise PlanError(f"{self.path} cannot be used ({error}): is it at work?") from error
        except BaseException:
            self.file.close()
            raise
        return self

    def __exit__(self, *ended: object) -> None:
        self.file.close()

    def client(self) -> str:
        """Who we are to the server: the same after a restart, so that its messages reach us."""
        return self.file.execute("SELECT client FROM batch").fetchone()[0]

    def add(self, jobs: Sequence[Job]) -> None:
        """Takes in the jobs it does not know; PlanError when one has changed that was begun."""
        rows = self.file.execute("SELECT name, digest, state FROM jobs")
        known = {name: (digest, state) for name, digest, state in rows}
        self.file.execute("BEGIN")
        for job in jobs:
            digest, state = known.get(job.name, (None, "waiting"))
            if digest == job.digest():
                continue
            if state != "waiting":
                self.file.execute("ROLLBACK")
                raise PlanError(
                    f"job {job.name!r} was {state} with other values: use another --out"
                )
            self.file.execute(
                "INSERT OR REPLACE INTO jobs (name, digest, settings) VALUES (?, ?, ?)",
                [job.name, job.digest(), json.dumps(job.settings)],
            )
        self.file.execute("COMMIT")

    def entries(self) -> dict[str, Entry]:
        """Every job ever planned here, by name."""
        return {row[0]: entry_of(row) for row in self.file.execute(SELECT).fetchall()}

    def entry(self, name: str) -> Entry:
        return entry_of(self.file.execute(f"{SELECT} WHERE name = ?", [name]).fetchone())

    def sent(self, name: str, prompt: str) -> None:
        """Called before the job is sent: a process killed in between looks for `prompt` later."""
        self.change(name, "state = 'sent', prompt = ?, tries = tries + 1", prompt)

    def running(self, name: str) -> None:
        self.change(name, "state = 'running'")

    def done(self, name: str, files: Sequence[str], seconds: float | None) -> None:
        shown = json.dumps(list(files))
        self.change(name, "state = 'done', error = NULL, files = ?, seconds = ?", shown, seconds)

    def failed(self, name: str, error: str) -> None:
        self.change(name, "state = 'failed', error = ?", error)

    def again(self, name: str, error: str | None = None) -> None:
        """The job waits for another try."""
        self.change(name, "state = 'waiting', error = ?", error)

    def missed(self, name: str, error: str, retries: int) -> bool:
        """Whether a job that failed on the server waits for another of its tries."""
        again = self.entry(name).tries <= retries
        if again:
            self.again(name, error)
        else:
            self.failed(name, error)
        return again

    def lost(self, name: str) -> bool:
        """Whether a job that was sent, and of which the server knows nothing, waits again.

        One that has ended the server each time it ran does not.
        """
        found = self.entry(name)
        deaths = found.deaths + (found.state == "running")
        self.change(name, "deaths = ?, tries = max(tries - 1, 0)", deaths)
        if deaths >= MOST_DEATHS:
            self.failed(name, f"ComfyUI ended {deaths} times while it ran this job")
        else:
            self.again(name)
        return deaths < MOST_DEATHS

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


def entry_of(row: tuple[Any, ...]) -> Entry:
    name, state, prompt, tries, deaths, error, files, seconds = row
    return Entry(name, state, prompt, tries, deaths, error, tuple(json.loads(files)), seconds)
