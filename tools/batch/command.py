"""Runs a workflow once for each job of a table, on a ComfyUI that others may use too.

A job sets inputs by node title or id: `prompt.text`, `6.seed`. A number may be a range (`1..4`,
`0..1 by 0.25`) and any value a list: a row stands for their product. The results folder has a
manifest, so the same command continues after a stop of the client or of the server.
"""

import argparse
import asyncio
import re
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tools.batch.board import Board, failures_table, plan_table
from tools.batch.content import NEVER, SUFFIXES
from tools.batch.jobs import Job, plan
from tools.batch.manifest import FILE_NAME, LockedError, Manifest, states_of
from tools.batch.names import folder_name
from tools.batch.patience import Pace, Patience
from tools.batch.results import DiskError, Results
from tools.batch.rows import read_rows
from tools.batch.runner import Runner, ServerAwayError
from tools.batch.server import Server, check_address, session
from tools.batch.stop import STOPPED, WORDS, Stop
from tools.batch.text import describe, printable
from tools.batch.workflow import PlanError, read_workflow

EXITS = """
exit codes:
  0    all jobs are done
  1    some jobs failed; --retry-failed tries them again
  2    the workflow, the table, the manifest or an option is wrong
  3    the server did not let the batch get further for --wait seconds
  4    this computer's disk cannot take the results
  130  stopped by Ctrl-C or SIGTERM, within a second
The same command continues a stopped batch.
"""


def main(arguments: Sequence[str], stop: Stop) -> int:
    """The exit code of the command with these arguments."""
    options = parse(arguments)
    console = Console(soft_wrap=True)
    try:
        return batch(options, console, stop)
    except PlanError as error:
        return report(console, str(error), 2)
    except ServerAwayError as error:
        return report(console, f"{error}: the same command continues when the server is back", 3)
    except DiskError as error:
        return report(console, str(error), 4)
    except sqlite3.Error as error:
        return report(console, f"the manifest cannot be written: {error}", 4)
    except OSError as error:
        return report(console, f"this computer fails: {error.strerror or error}", 4)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return report(console, WORDS, STOPPED)


def report(console: Console, message: str, code: int) -> int:
    """`code`, once the message is printed on one line."""
    console.print(printable(message, 2000), markup=False, highlight=False)
    return code


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a batch: durations in seconds, `max_mb` in units of 2^20 bytes."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.batch",
        description=__doc__,
        epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workflow", type=Path, help="a workflow in API form")
    parser.add_argument("jobs", type=Path, help="a table of jobs: .csv, .jsonl or .yaml")
    parser.add_argument("--server", default="http://127.0.0.1:8188", help="ComfyUI's address")
    parser.add_argument("--out", help="the results folder; runs/batch/TABLE if not given")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and run nothing")
    parser.add_argument("--retries", type=count, default=0, help="more tries for a job that fails")
    parser.add_argument("--retry-failed", action="store_true", help="try failed jobs again")
    parser.add_argument("--ahead", type=positive, default=2, help="jobs in the server's queue")
    parser.add_argument(
        "--wait", type=count, default=300, help="seconds without progress before giving up"
    )
    parser.add_argument(
        "--stall",
        type=positive,
        default=6 * 3600,
        help="seconds that jobs may lie in the server's queue while nothing in it changes",
    )
    parser.add_argument(
        "--max-mb", type=positive, default=8192, help="the largest result that is taken"
    )
    parser.add_argument(
        "--allow",
        metavar="SUFFIX",
        type=suffix,
        action="append",
        default=[],
        help="another kind of result to take, such as .ply",
    )
    parser.add_argument("--encoding", help="code page of the table if it is not UTF-8: gbk, cp1252")
    cluster = parser.add_argument_group("on a Ray cluster, with this checkout on each machine")
    cluster.add_argument("--ray", metavar="ADDRESS", help="run there; --out may be an fsspec URL")
    cluster.add_argument(
        "--workers", type=positive, help="one for each GPU or machine if not given"
    )
    cluster.add_argument("--comfyui", type=Path, help="ComfyUI's folder on each machine")
    cluster.add_argument("--models", type=Path, help="its models, if not in that folder")
    return parser.parse_args(arguments)


def count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"{describe(text)} is not a whole number from 0 on")
    return int(text)


def positive(text: str) -> int:
    if not count(text):
        raise argparse.ArgumentTypeError("0 is too few: give 1 or more")
    return int(text)


def suffix(text: str) -> str:
    """A suffix of results, in lower case with its dot."""
    found = "." + text.lower().removeprefix(".")
    if not re.fullmatch(r"\.[a-z0-9]{1,16}", found) or found in NEVER:
        raise argparse.ArgumentTypeError(f"{describe(text)} is no suffix that results may have")
    return found


def batch(options: argparse.Namespace, console: Console, stop: Stop) -> int:
    """The exit code of a dry run, or of a run with the manifest in the results folder.

    If `--out` is a URL, the manifest is in `runs/batch` on this machine. PlanError if the address,
    the workflow, the table or `--out` is wrong.
    """
    name = folder_name(options.jobs.stem)
    check_address(options.server)
    results = options.out or str(Path("runs") / "batch" / name)
    remote = "://" in results
    if remote and not options.ray:
        raise PlanError(f"--out {describe(results)} is an fsspec URL, which needs --ray")
    jobs = planned(options, name, console)
    out = Path("runs") / "batch" / name if remote else Path(results)
    if options.dry_run:
        return dry_run(jobs, out, console)
    with Manifest(out / FILE_NAME) as manifest:
        manifest.add(jobs)
        if not remote:
            manifest.forget_missing(out)
        if options.retry_failed:
            manifest.forgive()
        return run(options, {job.name: job for job in jobs}, manifest, out, console, stop)


def planned(options: argparse.Namespace, name: str, console: Console) -> list[Job]:
    """The jobs of the table; a bar in the terminal shows the progress of planning."""
    graph = read_workflow(options.workflow)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        reading = progress.add_task("reading the table", total=None)
        rows = read_rows(options.jobs, options.encoding)
        progress.remove_task(reading)
        planning = progress.add_task("planning", total=1.0)
        return plan(graph, rows, name, lambda share: progress.update(planning, completed=share))


def dry_run(jobs: Sequence[Job], out: Path, console: Console) -> int:
    """0, once the plan is printed; nothing is written."""
    states: Mapping[str, str] = {}
    try:
        states = states_of(out / FILE_NAME)
    except LockedError:
        console.print("a batch is at work with this --out: states are not known", markup=False)
    console.print(plan_table(jobs, states))
    return 0


def run(
    options: argparse.Namespace,
    jobs: dict[str, Job],
    manifest: Manifest,
    out: Path,
    console: Console,
    stop: Stop,
) -> int:
    """The exit code, once each job is done or failed."""
    with Board(jobs, manifest.entries()) as board:
        if options.ray:
            on_cluster(options, jobs, manifest, out, board)
        else:
            stop.run(on_server(options, jobs, manifest, out, board))
    entries = manifest.entries()
    failed = [entries[name] for name in jobs if entries[name].state == "failed"]
    where = printable(options.out or str(out), 400)
    console.print(f"{board.summary()}: {where}", markup=False, highlight=False)
    if failed:
        console.print(failures_table(failed))
    return 1 if failed else 0


async def on_server(
    options: argparse.Namespace,
    jobs: dict[str, Job],
    manifest: Manifest,
    out: Path,
    board: Board,
) -> None:
    """Runs the jobs in the server's queue; writes files to `out` and states to `manifest`."""
    results = Results(out, options.max_mb << 20)
    results.clean()
    pace, patience = Pace(stall=options.stall), Patience(options.wait)
    allowed = SUFFIXES.union(options.allow)
    async with session() as opened:
        server = Server(opened, options.server, manifest.client(), patience, pace)
        chosen = {"retries": options.retries, "ahead": options.ahead, "allowed": allowed}
        await Runner(server, manifest, jobs, results, **chosen, show=board).run()


def on_cluster(
    options: argparse.Namespace,
    jobs: dict[str, Job],
    manifest: Manifest,
    out: Path,
    board: Board,
) -> None:
    """Runs the jobs on Ray workers; results go to `out`, or to the URL in `--out`.

    PlanError if a package that `--ray` needs is not installed.
    """
    try:
        from tools.batch.cluster import Cluster
    except ImportError as error:
        needs = "python -m pip install -r tools/requirements/ray.txt"
        raise PlanError(f"--ray needs more ({error}): {needs}") from error
    places = {"comfyui": options.comfyui, "models": options.models}
    places = {name: path and path.absolute() for name, path in places.items()}
    cluster = Cluster(options.ray, workers=options.workers, **places)
    results = options.out if options.out and "://" in options.out else str(out.resolve())
    cluster.run(manifest, jobs, results, retries=options.retries, show=board)
