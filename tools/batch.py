"""Runs a workflow once for each job of a table, on a ComfyUI that others may use too.

A job sets inputs by node title or id: `prompt.text`, `6.seed`. A number may be a range (`1..4`,
`0..1 by 0.25`) and any value a list: a row stands for their product. The results folder keeps a
manifest, so the same command goes on where it was stopped, whoever ended: this side or the server.
"""

import argparse
import asyncio
import re
import signal
import sys
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a portable Python looks nowhere else

from rich.console import Console

from tools.batch.jobs import Job, plan, read_rows
from tools.batch.manifest import Entry, Manifest
from tools.batch.remote import Remote
from tools.batch.table import Board, failures_table, plan_table
from tools.batch.work import ServerAwayError, Work
from tools.batch.workflow import PlanError, read_workflow

MANIFEST = "batch.sqlite"
EXITS = """
exit codes: 0 all jobs done; 1 some failed; 2 the workflow, the table or an option is wrong;
3 the server stayed away; 130 stopped. The same command goes on where a batch was stopped.
"""


def main() -> int:
    options = parse(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM):  # both unwind, and so take back what waits
        signal.signal(number, signal.default_int_handler)
    console = Console(soft_wrap=True)
    try:
        return batch(options, console)
    except (PlanError, OSError) as error:
        console.print(str(error), markup=False)
        return 2
    except ServerAwayError as error:
        console.print(f"{error}\nstart it, and repeat the command: it goes on", markup=False)
        return 3
    except KeyboardInterrupt:
        console.print("stopped: the same command goes on")
        return 130


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="batch.py",
        description=__doc__,
        epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workflow", type=Path, help="a workflow in API form")
    parser.add_argument("jobs", type=Path, help="a table of jobs: .csv, .jsonl or .yaml")
    parser.add_argument("--server", default="http://127.0.0.1:8188", help="ComfyUI's address")
    parser.add_argument("--out", help="the results folder; runs/batch/TABLE if not given")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and run nothing")
    parser.add_argument("--retries", type=count, default=0, help="more tries for a job that fails")
    parser.add_argument("--retry-failed", action="store_true", help="try failed jobs anew")
    parser.add_argument("--ahead", type=positive, default=2, help="jobs in the server's queue")
    parser.add_argument("--wait", type=count, default=300, help="seconds for an absent server")
    cluster = parser.add_argument_group("on a Ray cluster, with this checkout on each machine")
    cluster.add_argument("--ray", metavar="ADDRESS", help="run there; --out may be an fsspec URL")
    cluster.add_argument(
        "--workers", type=positive, help="one for each GPU or machine if not given"
    )
    cluster.add_argument("--comfyui", type=Path, help="ComfyUI's folder on each machine")
    cluster.add_argument("--models", type=Path, help="its models, if not in that folder")
    return parser.parse_args(arguments)


def count(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def positive(text: str) -> int:
    if not count(text):
        raise argparse.ArgumentTypeError("0 is too few: give 1 or more")
    return int(text)


def batch(options: argparse.Namespace, console: Console) -> int:
    name = re.sub(r"\W+", "_", options.jobs.stem)
    jobs = plan(read_workflow(options.workflow), read_rows(options.jobs), name)
    results = options.out or str(Path("runs") / "batch" / name)
    far = "://" in results
    if far and not options.ray:
        raise PlanError(f"--out {results} is an fsspec URL, which needs --ray: name a folder")
    out = Path("runs") / "batch" / name if far else Path(results)
    if options.dry_run:
        console.print(plan_table(jobs, entries_so_far(out / MANIFEST)))
        return 0
    with Manifest(out / MANIFEST) as manifest:
        manifest.add(jobs)
        if not far:
            manifest.forget_missing(out)
        if options.retry_failed:
            manifest.forgive()
        return run(options, {job.name: job for job in jobs}, manifest, out, console)


def entries_so_far(path: Path) -> dict[str, Entry]:
    if not path.exists():
        return {}
    with Manifest(path) as manifest:
        return manifest.entries()


def run(
    options: argparse.Namespace,
    jobs: dict[str, Job],
    manifest: Manifest,
    out: Path,
    console: Console,
) -> int:
    """The exit code, once each job is done or failed."""
    with Board(jobs, manifest.entries()) as board:
        if options.ray:
            on_cluster(options, jobs, manifest, out, board)
        else:
            asyncio.run(on_server(options, jobs, manifest, out, board))
    entries = manifest.entries()
    failed = [entries[name] for name in jobs if entries[name].state == "failed"]
    console.print(f"{board.summary()}: {options.out or out}", markup=False)
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
    async with aiohttp.ClientSession() as session:
        remote = Remote(session, options.server, manifest.client())
        chosen = {"retries": options.retries, "patience": options.wait, "ahead": options.ahead}
        await Work(remote, manifest, jobs, out, **chosen, show=board).run()


def on_cluster(
    options: argparse.Namespace,
    jobs: dict[str, Job],
    manifest: Manifest,
    out: Path,
    board: Board,
) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
