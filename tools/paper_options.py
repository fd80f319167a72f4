"""Ways of training from the papers, each at equal compute on a small learner, as a table.

    python -m tools.paper_options --minutes 0.5 --seeds 3

Every arm trains from the same weights on the same clips, for the same number of operations: those
of `--minutes` at 40 GFLOP/s, what one core here reaches. `--out` holds what is done; the same
command goes on where it stopped, seed by seed. `--table` prints the tables of what is done.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import torch
from torch import Tensor

from sora_core.files import replacing

from .small_learner.clips import (
    FORMATS,
    PROMPTS,
    SQUARE,
    DrawnClip,
    draw_clip,
    square_crop,
    whole_subject,
)
from .small_learner.losses import (
    Batch,
    Loss,
    aligned,
    chance,
    change,
    flow,
    flow_on,
    masked_features,
    masked_pixels,
)
from .small_learner.model import FACTORISED, Learner, LearnerConfig
from .small_learner.training import (
    BATCH,
    FIRST_TRAINED,
    FLOW_ONLY,
    Draw,
    Phase,
    generated,
    held_out,
    square_clips,
    trained,
)

OPERATIONS_A_MINUTE = 60 * 40e9
FIRST_SHARE = 0.25  # of the operations: pre-training
LAST_SHARE = 0.2  # of the operations: the end on all tokens, after dropping
VIVIT, MAE = "Arnab et al. 2021", "He et al. 2022"
JEPA, SRA = "Bardes et al. 2024", "Jiang et al. 2025"
NAVIT, SORA = "NaViT, Dehghani et al. 2023", "Brooks et al. 2024"
BASELINE, NATIVE, CROPPED = "joint attention, all tokens", "native shapes", "square crops"
SHAPES = ("square", "wide", "tall")  # the names of FORMATS
SMALLEST_SUBJECT = 16.0  # pixels
SAMPLES = 2  # clips for each prompt and format
SMALL, SQUARES = LearnerConfig(), square_clips(SQUARE)
STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)  # 95 %, 1 to 9 degrees of freedom


def native(step: int) -> Sequence[DrawnClip]:
    """The clips of a step in their own shape; shapes take turns."""
    size = FORMATS[step % len(FORMATS)]
    return [draw_clip(FIRST_TRAINED + step * BATCH + i, size) for i in range(BATCH)]


def cropped(step: int) -> Sequence[DrawnClip]:
    """The middle squares of the clips of `native`."""
    size = FORMATS[step % len(FORMATS)]
    return [square_crop(FIRST_TRAINED + step * BATCH + i, size) for i in range(BATCH)]


@dataclass(frozen=True, slots=True)
class Arm:
    """A way of training, the paper it is from, and the measurement of its result."""

    name: str
    paper: str = ""
    phases: tuple[Phase, ...] = FLOW_ONLY
    config: LearnerConfig = SMALL
    draw: Draw = SQUARES

    @property
    def of_shapes(self) -> bool:
        return self.name in (NATIVE, CROPPED)


def dropping(choose: Callable[[Batch, Tensor], Tensor]) -> tuple[Phase, ...]:
    """Training on the tokens that `choose` scores highest, and on all at the end."""
    return (Phase(1 - LAST_SHARE, flow_on(choose)), Phase(LAST_SHARE, flow))


def before(loss: Loss) -> tuple[Phase, ...]:
    """Pre-training with `loss`, and the flow loss after it."""
    return (Phase(FIRST_SHARE, loss), Phase(1 - FIRST_SHARE, flow))


ARMS = (
    Arm(BASELINE),
    Arm("factorised attention (ViViT)", VIVIT, config=LearnerConfig(attention=FACTORISED)),
    Arm("masked-autoencoder pre-training", MAE, before(masked_pixels)),
    Arm("pre-training on features of the averaged copy (V-JEPA)", JEPA, before(masked_features)),
    Arm("following features of the averaged copy (SRA)", SRA, (Phase(1.0, aligned),)),
    Arm("half the tokens dropped, alike ones first", NAVIT, dropping(change)),
    Arm("half the tokens dropped at random", NAVIT, dropping(chance)),
    Arm(NATIVE, SORA, draw=native),
    Arm(CROPPED, SORA, draw=cropped),
)


def measured(arm: Arm, operations: float, seed: int) -> dict[str, float]:
    """The held-out loss of a trained arm; for shapes, in how many clips the subject is whole."""
    model, steps = trained(arm.config, arm.phases, arm.draw, operations, seed)
    values: dict[str, float] = {"steps": steps}
    if not arm.of_shapes:
        return values | {"loss": held_out(model, SQUARE)}
    values["loss"] = fmean(held_out(model, size) for size in FORMATS)
    return values | {
        name: in_frame(model, size, seed) for name, size in zip(SHAPES, FORMATS, strict=True)
    }


def in_frame(model: Learner, size: tuple[int, int], seed: int) -> float:
    """The share of generated clips of `size` with a whole subject in the frame."""
    prompts = list(range(len(PROMPTS))) * SAMPLES
    clips = generated(model, prompts, size, seed)
    return fmean(whole_subject(clip, SMALLEST_SUBJECT) for clip in clips)


def interval(values: Sequence[float]) -> float:
    """Half the width of the 95 % interval of the mean of `values`, by Student's distribution.

    nan for a single value; beyond ten values it is a little too wide.
    """
    if len(values) < 2:
        return math.nan
    wide = STUDENT[min(len(values) - 2, len(STUDENT) - 1)]
    return wide * stdev(values) / math.sqrt(len(values))


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """The results as Markdown: losses against the first arm's of the same seed, and shapes."""
    rows = [
        "| Arm | Paper | Steps | Held-out loss | Against the first | Worth |",
        "|---|---|---|---|---|---|",
    ]
    base = results.get(BASELINE, {})
    for arm in (arm for arm in ARMS if not arm.of_shapes and arm.name in results):
        found = results[arm.name]
        seeds = [seed for seed in found if seed in base]
        losses = [found[seed]["loss"] for seed in seeds]
        changes = [100 * (found[seed]["loss"] / base[seed]["loss"] - 1) for seed in seeds]
        if not losses:
            continue
        mean, half = fmean(changes), interval(changes)
        against = "" if arm.name == BASELINE else f"{mean:+.1f} % {plus_minus(half)}"
        rows.append(
            f"| {arm.name} | {arm.paper} | {found[seeds[0]]['steps']:.0f} | {fmean(losses):.4f} | "
            f"{against} | {'' if arm.name == BASELINE else verdict(mean, half)} |"
        )
    rows += [
        "",
        "| Trained on | Paper | Steps | Whole subject in the frame: square | wide | tall | "
        "Held-out loss, mean of the shapes |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm in (arm for arm in ARMS if arm.of_shapes):
        found = list(results.get(arm.name, {}).values())
        if found:
            cells = [
                f"{100 * fmean(values):.0f} % {plus_minus(100 * interval(values))}"
                for values in ([one[size] for one in found] for size in SHAPES)
            ]
            cells.append(f"{fmean(one['loss'] for one in found):.4f}")
            steps = f"{found[0]['steps']:.0f}"
            rows.append(f"| {arm.name} | {arm.paper} | {steps} | {' | '.join(cells)} |")
    return "\n".join(rows)


def plus_minus(half: float) -> str:
    """Half an interval; a single seed has none."""
    return "(one seed)" if math.isnan(half) else f"\u00b1 {half:.1f}"


def verdict(mean: float, half: float) -> str:
    """The worth of a change of the loss in per cent, by half its 95 % interval."""
    if math.isnan(half) or abs(mean) <= half:
        return "undecided"
    return "wins" if mean < 0 else "loses"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options: `minutes` of one core for each arm, and `arms` as parts of their names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of one core, for each arm")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--arms", nargs="+", default=[""], metavar="TEXT", help="only those with TEXT in their name"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/paper_options.json"))
    parser.add_argument("--table", action="store_true", help="train nothing, print the tables")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Trains each arm and seed that `--out` lacks, saves after each, and prints the tables.

    SystemExit if a number is out of its range, or `--out` is of other minutes.
    """
    args = parse(arguments)
    if not 0 < args.minutes <= 10_000 or args.seeds < 1:
        raise SystemExit("--minutes must be above 0, --seeds at least 1")
    torch.set_num_threads(1)
    results: dict[str, dict[str, dict[str, float]]] = {}
    if args.out.exists():
        saved = json.loads(args.out.read_text())
        if args.table:
            print(f"{saved['minutes'] * OPERATIONS_A_MINUTE:.3g} operations an arm")
            print(table(saved["results"]))
            return
        if saved["minutes"] != args.minutes:
            raise SystemExit(f"{args.out} is of {saved['minutes']:g} minutes: choose another --out")
        results = saved["results"]
    if args.table:
        raise SystemExit(f"{args.out} does not exist: run without --table first")
    for seed in map(str, range(args.seeds)):
        for arm in (arm for arm in ARMS if any(text in arm.name for text in args.arms)):
            done = results.setdefault(arm.name, {})
            if seed in done:
                continue
            began = time.process_time()
            done[seed] = measured(arm, args.minutes * OPERATIONS_A_MINUTE, int(seed))
            done[seed]["seconds"] = time.process_time() - began
            args.out.parent.mkdir(parents=True, exist_ok=True)
            with replacing(args.out) as unfinished:
                text = json.dumps({"minutes": args.minutes, "results": results}, indent=1)
                unfinished.write_text(text + "\n")
            print(arm.name, seed, {k: round(v, 4) for k, v in done[seed].items()}, flush=True)
    print(table(results))


if __name__ == "__main__":
    main()
