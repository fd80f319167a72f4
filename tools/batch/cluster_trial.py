"""Proves the batch on a Ray cluster: two nodes on this machine, of which one is killed.

`python -m tools.batch.cluster_trial` times a few jobs of sora-mini on one node, then runs them all
on two, kills one of the two, and counts what came out. It prints how much faster two nodes are.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster as Machines

from tools.batch.cluster import Cluster
from tools.batch.jobs import Job, plan, read_rows
from tools.batch.manifest import Manifest
from tools.batch.trial import new_folder, report_counts, report_differences, write_batch
from tools.batch.workflow import read_workflow
from tools.host import ROOT, Server, bring_host

ALONE = 20  # jobs that one node runs first, and that are compared with single runs
KILLED = 0.75  # of the jobs are done when a node is killed


def main() -> int:
    """0 if the first jobs equal single runs on a server of their own, 1 if any differs.

    Prints the jobs a minute on one node and on two, and the counts of results.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tools.batch.cluster_trial", description=__doc__
    )
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=4, help="of sampling, in each job")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs" / "cluster_trial", help="a new folder"
    )
    options = parser.parse_args()
    out = new_folder(options.out)
    workflow, table = write_batch(out, options.jobs, options.steps)
    jobs = plan(read_workflow(workflow), read_rows(table), table.stem)

    machines = Machines(initialize_head=True, head_node_args={"num_cpus": 1})
    one = a_minute(run(machines, jobs[:ALONE], out / "one", kill_at=len(jobs)))
    print(f"one node: {one:.1f} jobs a minute", flush=True)
    machines.add_node(num_cpus=1)
    ends = run(machines, jobs, out / "two", kill_at=int(KILLED * len(jobs)))
    two = a_minute(ends[: int(KILLED * len(jobs))])
    print(f"two nodes: {two:.1f} jobs a minute while both live, {two / one:.2f} times as many")
    machines.shutdown()

    report_counts(out / "two", jobs, len(ends), ends[-1] - ends[0])
    os.environ["OMP_NUM_THREADS"] = "1"  # as Ray sets it for a job of one CPU
    with Server(bring_host(), out / "alone") as server:
        return 1 if report_differences(server, jobs[:ALONE], out / "two") else 0


def run(machines: Machines, jobs: list[Job], out: Path, *, kill_at: int) -> list[float]:
    """When each job was done. After `kill_at` jobs, the last node is killed."""
    ends: list[float] = []
    cluster = Cluster(machines.address)

    def show(name: str, what: str, details: dict[str, object]) -> None:
        if what == "lost":
            print(f"{name} was lost with its node", flush=True)
        if what == "done":
            ends.append(time.monotonic())
            if len(ends) == kill_at:
                print(f"{len(ends)} done: a node is killed", flush=True)
                machines.remove_node(machines.list_all_nodes()[-1], allow_graceful=False)

    with Manifest(out / "batch.sqlite") as manifest:
        manifest.add(jobs)
        by_name = {job.name: job for job in jobs}
        cluster.run(manifest, by_name, str(out), retries=0, show=show)
    ray.shutdown()
    return ends


def a_minute(ends: list[float]) -> float:
    return 60 * (len(ends) - 1) / (ends[-1] - ends[0])


if __name__ == "__main__":
    sys.exit(main())
