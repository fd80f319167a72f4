"""Proves the batch on this machine: jobs of sora-mini, the server and the client killed on the way.

`python -m tools.batch.trial` counts what came out, compares each video and each latent, bit for
bit, with a single run of its graph on a server of its own, and prints what a job costs beside it.
Nobody may edit the checkout meanwhile: a server that restarts runs the code of that moment. Single
runs are the same on as many threads: with another `OMP_NUM_THREADS` the last bits differ.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

import av
import numpy as np
from safetensors.numpy import load_file

from tools.batch.jobs import Job, plan, read_rows
from tools.batch.workflow import read_workflow
from tools.host import ROOT, Server, bring_host

SMALL = ROOT / "workflows" / "api" / "text_to_video.json"
PROMPTS = ["a red ball rolls to the left on grass", "a blue cube falls on sand", "a green cone", ""]
KILLS = ((0.25, "server"), (0.5, "client"), (0.75, "server"))  # when so much is done
COLLECTION = 300  # milliseconds; once in ten seconds, however many jobs wait in the queue
KINDS = (".mp4", ".latent")


def main() -> int:
    """0 if the jobs equal single runs, bit for bit; 1 if any differs.

    Prints the counts of results, and the idle time of the server between jobs.
    """
    options = parse()
    options.out = new_folder(options.out)
    workflow, table = write_batch(options.out, options.jobs, options.steps)
    jobs = plan(read_workflow(workflow), read_rows(table), table.stem)
    results = options.out / "results"
    command = [sys.executable, "-m", "tools.batch", workflow, table, f"--out={results}"]
    with Server(bring_host(), options.out / "comfyui") as server:
        began = time.monotonic()
        gaps = run_through_kills([*command, f"--server={server.client.url}"], server, len(jobs))
        seconds = time.monotonic() - began
        result = len(list((server.output / table.stem).glob("*.mp4")))
    report_counts(results, jobs, result, seconds)
    report_idle(gaps)
    with Server(bring_host(), options.out / "alone") as server:
        return 1 if report_differences(server, jobs, results) else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.batch.trial", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=4, help="of sampling, in each job")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "trial", help="a new folder")
    return parser.parse_args()


def new_folder(folder: Path) -> Path:
    """`folder`, made; by its whole path, as ComfyUI runs in a folder of its own."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        sys.exit(f"--out {folder}: it exists, from an earlier trial; remove it or name another")
    return folder.resolve()


def write_batch(folder: Path, jobs: int, steps: int) -> tuple[Path, Path]:
    """A workflow that saves its latent too, small, and a table of so many jobs."""
    graph = read_workflow(SMALL)
    (sample,) = (key for key, node in graph.items() if node["class_type"] == "SoraSample")
    inputs = {"samples": [sample, 0], "filename_prefix": "latent"}
    graph["latent"] = {"class_type": "SaveLatent", "inputs": inputs}
    rows = [{"prompt.text": PROMPTS, "noise.seed": f"1..{jobs // len(PROMPTS)}"}]
    rows[0] |= {"canvas.seconds": 1.0, "schedule.steps": steps}
    workflow, table = folder / "workflow.json", folder / "jobs.jsonl"
    workflow.write_text(json.dumps(graph), encoding="utf-8")
    table.write_text(json.dumps(rows[0]), encoding="utf-8")
    return workflow, table


def run_through_kills(command: list[str | Path], server: Server, total: int) -> list[float]:
    """How many milliseconds the server was idle between two jobs, each time, once all have run."""
    kills, done, gaps = list(KILLS), 0, []
    client = start(command)
    while True:
        line = client.stdout.readline() if client.stdout else ""
        done += line.startswith("done ")
        if kills and done >= kills[0][0] * total:
            _, victim = kills.pop(0)
            print(f"{done} done: the {victim} is killed", flush=True)
            if victim == "client":
                client.kill()
                done += (client.communicate()[0] or "").count("\ndone ")
                client = start(command)
            else:
                gaps += idle(server)
                server.signal(signal.SIGKILL)
                server.process.wait()
                server.__enter__()
        elif not line:
            if client.wait():
                raise SystemExit(f"the batch ended with {client.returncode}")
            return gaps + idle(server)


def start(command: list[str | Path]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def idle(server: Server) -> list[float]:
    """The milliseconds between the end of a job and the start of the next."""
    spans = []
    for entry in server.client.get("/history").values():
        stamps = [data["timestamp"] for _, data in entry["status"]["messages"]]
        spans.append((min(stamps), max(stamps)))
    return [later[0] - earlier[1] for earlier, later in pairwise(sorted(spans))]


def report_counts(results: Path, jobs: list[Job], result: int, seconds: float) -> None:
    """Prints how many jobs have all files of KINDS, how many have not, and the folders of no job.

    `result` counts the videos that the server wrote, and `seconds` is the time of the batch.
    """
    expected = {results / job.name for job in jobs}
    found = {path for path in results.iterdir() if path.is_dir()}
    whole = [job for job in found if sorted(p.suffix for p in job.iterdir()) == sorted(KINDS)]
    missing, more = len(expected - set(whole)), len(found - expected)
    print(f"{len(whole)} outputs of {len(jobs)} jobs in {seconds:.0f} s, {result} made in all")
    print(f"{missing} missing, {more} unasked for")


def report_idle(gaps: list[float]) -> None:
    """What the server waits between two jobs, apart from what it does of its own accord."""
    gaps = sorted(gaps)[: -sum(victim == "client" for _, victim in KILLS)]  # no client, no jobs
    own = [gap for gap in gaps if gap > COLLECTION]
    rest = gaps[: len(gaps) - len(own)]
    print(f"idle between two jobs: mean {mean(rest):.1f} ms, median {median(rest):.1f} ms,")
    print(f"and {len(own)} times ComfyUI collects its garbage, {sum(own) / 1000:.1f} s in all")


def report_differences(server: Server, jobs: list[Job], results: Path) -> int:
    """How many jobs differ from a single run."""
    differing = dict.fromkeys(KINDS, 0)
    for job in jobs:
        run = server.client.run(server.client.completed(job.graph))
        for file in run.files(kind="output"):
            alone = server.output / file["subfolder"] / file["filename"]
            (ours,) = (results / job.name).glob(f"*{alone.suffix}")
            furthest = np.abs(content(ours) - content(alone)).max()
            if furthest:
                differing[alone.suffix] += 1
                print(f"{job.name}{alone.suffix} differs by up to {furthest:g}", flush=True)
    for kind, count in differing.items():
        print(f"{len(jobs) - count} of {len(jobs)} {kind} are those of a single run, bit for bit")
    return sum(differing.values())


def content(path: Path) -> np.ndarray:
    """The pixels of a file, without the workflow in its metadata."""
    if path.suffix == ".latent":
        return load_file(path)["latent_tensor"]
    with av.open(str(path)) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    return np.stack(frames).astype(np.int16)


if __name__ == "__main__":
    sys.exit(main())
