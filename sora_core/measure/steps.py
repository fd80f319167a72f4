"""`measure steps`: what sampling in few steps costs, beside the model's own sampling.

There is an arm for each number of steps, with the LoRA and its guidance, and the arm `full`: the
model without the LoRA, in its own steps and guidance. All arms have the same scenes, prompts and
noise. The rulers are those of `measure world`, `measure fidelity` and `measure edits`.
"""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch

from ..canvas import edits
from ..canvas.canvas import Canvas
from ..errors import check_range
from ..models.attribute_classifier import AttributeClassifier
from ..pipeline.generate import MODELS, SHIPPED, Pipeline, encode_footage, generate, load
from ..sampling.schedules import MAX_STEPS
from .classifier import ClassifierResult, classify, load_classifier, right_shares
from .edit_cases import OPERATIONS, Edit, EditRunner
from .edit_report import seam_claims
from .fidelity import SampleSettings, canvas_of_size, clip_requests, generated_clips
from .heldout_clips import HeldOutClip, empty_canvas, heldout_clips
from .report import Figure, write_json
from .world.clips import Clips
from .world.free import SCENE_READER
from .world.plan import FULL, QUICK, RULERS, RulerPlan
from .world.row import Row

FOUR_STEPS = MODELS / "four-steps.safetensors"
FULL_ARM = "full"
COUNTS = (1, 2, 4, 8)
WORLD_RULERS = ("shape", "physics", "geometry", "loop", "connect", "edit", "shot")
"""Rulers of the world that differ with the sampling, and take no minute-long videos."""


@dataclass(frozen=True, slots=True)
class StepsPlan:
    """The plan of the world's rulers; the number of `prompts`, of edited clips and of timings."""

    world: RulerPlan
    prompts: int
    edits: int
    rounds: int = 7


ALL_CLIPS = StepsPlan(FULL, prompts=200, edits=20)
FEW_CLIPS = StepsPlan(replace(QUICK, clips=8, calibration=30), prompts=48, edits=4)


@dataclass(frozen=True, slots=True)
class Arm:
    """A way of sampling: a model, and its number of steps; None is the model's own."""

    name: str
    pipeline: Pipeline
    steps: int | None


@dataclass(frozen=True, slots=True)
class Cost:
    """Predictions of the transformer for a clip, for one with footage, and seconds of the former.

    A guided prediction counts as two. The seconds are the processor's, from the first prediction
    to the latent.
    """

    evaluations: int
    edit_evaluations: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Quality:
    """An arm's figures: each ruler in shares of the limit, the highest seam, and the diversity.

    `seam` is the highest share that a seam ratio reaches of its bound in `measure edits`: at 1 or
    less all bounds hold.
    """

    rulers: Mapping[str, float]
    seam: float
    diversity: float


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `run` reads, but for `--json`."""
    parser.add_argument("--counts", nargs="+", type=int, default=COUNTS, help="numbers of steps")
    parser.add_argument("--quick", action="store_true", help="few clips, 15 minutes of one core")
    parser.add_argument("--model", type=Path, default=MODELS / SHIPPED)
    parser.add_argument("--lora", type=Path, default=FOUR_STEPS, metavar="FILE")


def run(args: Namespace, progress: Callable[[str], None]) -> list[Figure]:
    """The figures of all arms, `full` first; `--json` is written after each arm.

    ConfigError for a number of steps outside 1 to MAX_STEPS.
    """
    for count in args.counts:
        check_range("--counts", count, 1, MAX_STEPS)
    plan = FEW_CLIPS if args.quick else ALL_CLIPS
    if args.quick:
        torch.set_num_threads(1)
    few = load(args.model, lora=args.lora)
    full = Arm(FULL_ARM, load(args.model), None)
    arms = [full, *(Arm(str(count), few, count) for count in args.counts)]
    held_out = list(heldout_clips(plan.edits))
    costs = sampling_costs(arms, held_out[0], plan.rounds)
    reader, clips = load_classifier(), Clips(full.pipeline)
    found: list[Figure] = []
    qualities: dict[str, Quality] = {}
    for arm in arms:

        def report(text: str, name: str = arm.name) -> None:
            progress(f"{name}: {text}")

        clips = clips.sampled_by(arm.pipeline, arm.steps, report)
        qualities[arm.name] = Quality(
            {**world_rulers(clips, plan.world), "fidelity": fidelity(arm, reader, plan.prompts)},
            worst_seam(arm, reader, held_out, report),
            RULERS["diversity"](clips, plan.world)[0].generated,
        )
        found += arm_figures(arm.name, qualities, costs)
        if args.json:
            write_json(found, args.json)
    return found


def steps_table(figures: Sequence[Figure]) -> str:
    """A line for each figure's name, with a column for each arm."""
    arms = list(dict.fromkeys(figure.name.partition("/")[0] for figure in figures))
    values = {figure.name: figure.value for figure in figures}
    lines = [f"{'':<24}" + "".join(f"{arm:>10}" for arm in arms)]
    for name in dict.fromkeys(figure.name.partition("/")[2] for figure in figures):
        row = (values.get(f"{arm}/{name}") for arm in arms)
        lines.append(f"{name:<24}" + "".join(f"{'' if v is None else f'{v:.3g}':>10}" for v in row))
    if not SCENE_READER.is_file():
        lines.append(f"free: left out, for there is no {SCENE_READER.name}")
    return "\n".join(lines)


def arm_figures(
    name: str, qualities: Mapping[str, Quality], costs: Mapping[str, Cost]
) -> list[Figure]:
    """The figures `NAME/...` of an arm; those that compare it with `full` come last."""
    own, full = qualities[name], qualities[FULL_ARM]
    cost, most = costs[name], costs[FULL_ARM]
    values = {
        **own.rulers,
        "seam": own.seam,
        "diversity_of_full": own.diversity / full.diversity,
        "points_below_full": points_below(own.rulers, full.rulers),
        "evaluations": cost.evaluations,
        "fewer_evaluations": most.evaluations / cost.evaluations,
        "fewer_evaluations_in_edits": most.edit_evaluations / cost.edit_evaluations,
        "faster": most.seconds / cost.seconds,
    }
    found = [Figure(f"{name}/{key}", value) for key, value in values.items()]
    return [*found, Figure(f"{name}/seconds", cost.seconds, "s")]


def points_below(rulers: Mapping[str, float], full: Mapping[str, float]) -> float:
    """How many hundredths `rulers` lie below `full` in the mean; negative above it."""
    return 100 * fmean(full[name] - value for name, value in rulers.items())


def world_rulers(clips: Clips, plan: RulerPlan) -> dict[str, float]:
    """Each of the world's rulers: the mean of its rows, in shares of their limits.

    `free`, if its reader is there: the share of expanded free prompts with every fact shown.
    """
    found = {name: of_limit(RULERS[name](clips, plan)) for name in WORLD_RULERS}
    if SCENE_READER.is_file():
        rows = {row.name: row for row in RULERS["free"](clips, plan)}
        found["free"] = rows["free/expanded"].generated
    return found


def of_limit(rows: Sequence[Row]) -> float:
    """The mean share of the limit that the generated clips reach; rows without a limit count whole.

    Rows without generated clips, and those whose limit is 0, are left out.
    """
    shares = []
    for row in rows:
        if not isnan(row.generated) and row.limit != 0:
            shares.append(row.generated if isnan(row.limit) else row.generated / row.limit)
    return fmean(shares)


def fidelity(arm: Arm, reader: AttributeClassifier, prompts: int) -> float:
    """The share of held-out prompts of which the classifier finds every fact in the arm's clip."""
    canvas = canvas_of_size(reader.config.size, arm.pipeline.config.fps)
    results = [
        ClassifierResult(wish.asked, classify(reader, frames))
        for wish, frames in generated_clips(
            arm.pipeline, clip_requests(prompts), canvas, SampleSettings(arm.steps)
        )
    ]
    return next(f.value for f in right_shares(results) if f.name == "all")


def worst_seam(
    arm: Arm,
    reader: AttributeClassifier,
    clips: Sequence[HeldOutClip],
    progress: Callable[[str], None],
) -> float:
    """The highest share of its bound that a seam ratio of any edit reaches."""
    runner = EditRunner(arm.pipeline, reader, clips, arm.steps, on_progress=progress)
    return max(share for name in OPERATIONS for share in seam_shares(name, runner.edits(name)))


def seam_shares(name: str, done: Sequence[Edit]) -> list[float]:
    """The seam ratios of an edit as shares of their bounds."""
    return [c.figure.value / c.bound for c in seam_claims(name, done) if c.bound is not None]


def sampling_costs(arms: Sequence[Arm], clip: HeldOutClip, rounds: int) -> dict[str, Cost]:
    """The cost of each arm for `clip`'s caption; arms take turns, and the median counts."""
    footage = edits.image_to_video(empty_canvas(), clip.frames[:1])
    laps: dict[str, list[float]] = {arm.name: [] for arm in arms}
    calls: dict[str, int] = {}
    for _ in range(rounds + 1):  # the first pays for memory and kernels
        for arm in arms:
            calls[arm.name], seconds = sampled(arm, clip.caption, empty_canvas())
            laps[arm.name].append(seconds)
    return {
        arm.name: Cost(
            calls[arm.name], sampled(arm, clip.caption, footage)[0], median(laps[arm.name][1:])
        )
        for arm in arms
    }


def sampled(arm: Arm, prompt: str, canvas: Canvas) -> tuple[int, float]:
    """The predictions of one clip and the processor's seconds since the first of them."""
    began, rows = [], []

    def count(_: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        began.append(time.process_time())
        rows.append(len(inputs[0]))

    encoded = encode_footage(arm.pipeline, canvas)
    hook = arm.pipeline.transformer.register_forward_pre_hook(count)
    try:
        generate(arm.pipeline, prompt, encoded, steps=arm.steps)
    finally:
        hook.remove()
    return sum(rows), time.process_time() - began[0]
