"""A workflow in a warm ComfyUI against the same work in a plain script, in the same settings.

Previews are off, since a script has none. A workflow's time is from queueing to success by the
server's own clock: every ten seconds the server collects garbage, which delays its messages only.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import torch

from sora_core.canvas.canvas import Canvas
from sora_core.measure.report import Figure
from sora_core.pipeline.decode import decode_frames
from sora_core.pipeline.generate import generate, load
from sora_core.video.frames import resize
from sora_core.video.writer import write_video
from tools.client import Graph, Run
from tools.host import ROOT, Server, bring_host

from .race import NOISE, Candidate, by_cpu, by_wall, race

WORKFLOW = ROOT / "workflows" / "api" / "text_to_video.json"
Inputs = Mapping[str, Mapping[str, Any]]
"""What the nodes of a workflow are given, by their titles."""

SETTINGS = ("--preview-method=none",)
LAPS_A_ROUND = 4  # one takes but two seconds, and a machine's speed sways for longer
LOADING = "Requested to load"  # what the host logs when it moves weights


def run(rounds: int, smoke: bool) -> Iterator[Figure]:
    """The times of workflow and script, and the loads and text encodings of one warm run.

    `vs_script` is the time of the workflow over that of the script. By the clock on the wall it
    is absent if two runs of the script differ by more than NOISE.
    """
    graph: Graph = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    inputs = {node["_meta"]["title"]: node["inputs"] for node in graph.values()}
    if smoke:
        inputs["Schedule"]["steps"] = 2
    seeds = count()
    os.environ["OMP_NUM_THREADS"] = str(torch.get_num_threads())  # the server inherits it
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(bring_host(), Path(folder), flags=SETTINGS) as server,
    ):
        ended: list[float] = []

        def workflow() -> Run:
            inputs["Noise"]["seed"] = next(seeds)
            run = server.client.run(graph)
            ended.append(run.events[-1][1]["timestamp"] / 1000)
            return run

        def wall() -> float:
            return ended.pop() if ended else time.time()

        workflow()
        loads = server.log.read_text(errors="replace").count(LOADING)
        kinds = [graph[key]["class_type"] for key in workflow().executed()]
        loads = server.log.read_text(errors="replace").count(LOADING) - loads
        yield Figure("comfy/new_seed/text_encoder_calls", kinds.count("SoraEncodePrompt"), "calls")
        yield Figure("comfy/new_seed/model_loads", loads + kinds.count("SoraLoadModel"), "loads")

        ended.clear()
        candidates = {
            "script": Candidate(script(inputs, seeds, Path(folder) / "script.mp4")),
            "workflow": Candidate(workflow, cpu=clock(server.process.pid), wall=wall),
        }
        done = race("comfy", candidates, rounds if rounds == 1 else LAPS_A_ROUND * rounds)
    yield from done.figures()
    if rounds > 1:
        yield Figure("comfy/wall/noise", done.noise(by_wall))
    if rounds == 1 or done.noise(by_wall) <= NOISE:  # what a user waits for is wall time
        yield Figure("comfy/vs_script", 1 / done.times_faster("workflow", by_wall), "x")
    yield Figure(
        "comfy/vs_script/wall_min", 1 / done.times_faster_at_best("workflow", by_wall), "x"
    )
    yield Figure("comfy/vs_script/cpu", 1 / done.times_faster("workflow", by_cpu), "x")


def script(inputs: Inputs, seeds: Iterator[int], path: Path) -> Callable[[], None]:
    """Does the work of the workflow with `inputs` without ComfyUI, and writes `path`."""
    pipeline = load()
    fields = ("width", "height", "seconds", "fps")
    canvas = Canvas(**{field: inputs["Canvas"][field] for field in fields})
    upscale = inputs["Decode Video"]["upscale"]
    rate = Fraction(canvas.fps).limit_denominator(1001)

    def work() -> None:
        latent = generate(
            pipeline,
            inputs["Prompt"]["text"],
            canvas,
            next(seeds),
            steps=inputs["Schedule"]["steps"],
            guidance=inputs["Guider"]["scale"],
            negative=inputs["Negative Prompt"]["text"],
            sampler=inputs["Sample"]["sampler"],
        )
        width, height = canvas.width * upscale, canvas.height * upscale
        frames = decode_frames(pipeline, latent, canvas)
        write_video(path, (resize(part, width, height) for part in frames), rate)

    return work


def clock(process: int) -> Callable[[], float]:
    """The CPU time of another process."""
    watched = psutil.Process(process)

    def spent() -> float:
        times = watched.cpu_times()
        return times.user + times.system

    return spent
