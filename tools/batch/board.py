"""The plan, the progress and the failures of a batch, as tables in a terminal."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tools.batch.jobs import Job
from tools.batch.manifest import Entry
from tools.batch.text import MAX_VALUE, printable
from tools.batch.workflow import title

MAX_ENDED = 8  # jobs that have ended and stay in the table
MAX_LISTED = 200  # jobs of a plan that are listed whole
FIRST, LAST = 20, 5  # of a longer plan
MAX_FAILURES = 100
COLOURS = {"done": "green", "failed": "red", "running": "cyan"}


def plan_table(jobs: Sequence[Job], states: Mapping[str, str]) -> Table:
    """Every job, what it sets, and what has become of it so far; a long plan is shortened."""
    keys = list(dict.fromkeys(key for job in jobs for key in job.template.keys))
    table = Table(title=f"{len(jobs)} jobs", title_justify="left")
    for heading in ("job", "state", *keys):
        table.add_column(Text(printable(heading, MAX_VALUE)), overflow="fold")
    long = len(jobs) > MAX_LISTED
    for job in jobs[:FIRST] if long else jobs:
        add_job(table, job, states, keys)
    if long:
        table.add_row(f"... {len(jobs) - FIRST - LAST} more", "")
        for job in jobs[-LAST:]:
            add_job(table, job, states, keys)
    return table


def add_job(table: Table, job: Job, states: Mapping[str, str], keys: Sequence[str]) -> None:
    settings = job.settings
    cells = [Text(printable(str(settings.get(key, "")), 200)) for key in keys]
    table.add_row(Text(job.name), state_text(states.get(job.name, "waiting")), *cells)


def failures_table(entries: Sequence[Entry]) -> Table:
    """Why each failed job failed; the first of them if there are many."""
    table = Table("job", "tries", "error", title="failed", title_justify="left")
    for entry in entries[:MAX_FAILURES]:
        error = Text(printable(entry.error or ""))
        table.add_row(Text(printable(entry.name)), str(entry.tries), error)
    if len(entries) > MAX_FAILURES:
        table.add_row(f"... {len(entries) - MAX_FAILURES} more", "", "")
    return table


def state_text(state: str) -> Text:
    return Text(state, style=COLOURS.get(state, ""))


class Board:
    """Called with each event; prints a table that is redrawn in a terminal, lines elsewhere."""

    def __init__(self, jobs: Mapping[str, Job], entries: Mapping[str, Entry]) -> None:
        self.jobs = jobs
        self.console = Console(soft_wrap=True)
        self.rows: dict[str, dict[str, Any]] = {}
        self.ended = {name for name in jobs if entries[name].state in ("done", "failed")}
        self.before = len(self.ended)
        self.failed = sum(entries[name].state == "failed" for name in jobs)
        self.began = time.monotonic()
        self.away = ""
        self.live = Live(console=self.console, get_renderable=self.draw, transient=True)

    def __enter__(self) -> "Board":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self.live.stop()

    def __call__(self, name: str, what: str, data: dict[str, Any]) -> None:
        if not name:
            self.server(what, data)
            return
        new = {"since": time.monotonic(), "state": "sent", "node": "", "detail": ""}
        row = self.rows.setdefault(name, new)
        if what in ("sent", "again", "lost", "done", "failed"):
            row |= {"state": what, "bar": None, "node": "", "detail": detail(data)}
            self.print_line(name, what, row["detail"])
        elif what == "execution_start":
            row |= {"state": "running", "since": time.monotonic()}
        elif what == "executing" and data.get("node"):
            key = data["node"].partition(":")[0]  # `4:1`, when a node stands for several
            graph = self.jobs[name].template.graph
            row |= {"node": title(graph, key) if key in graph else printable(key, 40), "bar": None}
        elif what == "progress" and data["max"] > 1:
            row["bar"] = (min(data["value"], data["max"]), data["max"])
        if what in ("done", "failed"):
            self.failed += what == "failed"
            self.ended.add(name)
            self.rows[name] = self.rows.pop(name) | {"took": time.monotonic() - row["since"]}
            for old in [key for key in self.rows if key in self.ended][:-MAX_ENDED]:
                del self.rows[old]

    def server(self, what: str, data: dict[str, Any]) -> None:
        message = printable(f"waiting for ComfyUI: {data['error']}") if what == "away" else ""
        if message and not self.away:
            self.print_line("", "away", message)
        self.away = message

    def print_line(self, name: str, what: str, rest: str) -> None:
        if not self.console.is_terminal and what != "sent":
            self.console.print(Text(" ".join(filter(None, [what, name, rest]))))

    def draw(self) -> RenderableType:
        """A row for each job on the board: state, node, progress and seconds; then the summary."""
        table = Table("job", "state", "node", "", "s", expand=True, box=None)
        for name, row in self.rows.items():
            bar = (
                ProgressBar(row["bar"][1], row["bar"][0]) if row.get("bar") else Text(row["detail"])
            )
            took = row.get("took") or time.monotonic() - row["since"]
            state = state_text(row["state"])
            table.add_row(Text(name), state, Text(row["node"]), bar, f"{took:.1f}")
        return Group(table, self.summary())

    def summary(self) -> Text:
        """One line: how many, how fast, how long it will take."""
        done, total = len(self.ended), len(self.jobs)
        rate = (done - self.before) / max(time.monotonic() - self.began, 1e-3)
        left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
        line = f"{done} of {total}, {self.failed} failed, {rate * 60:.1f} a minute{left}"
        return Text(f"{line}  {self.away}".rstrip())


def detail(data: dict[str, Any]) -> str:
    """Of an ending: where the files are, or the error."""
    seconds = f"{data['seconds']:.2f} s" if data.get("seconds") is not None else ""
    words = [data.get("error") or "", seconds, *data.get("files", [])[:3]]
    return printable(" ".join(filter(None, words)))
