"""The command that plans training on a folder: `python -m sora_core train plan FOLDER`."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..checkpoints.checkpoint import CheckpointConfig, read_config
from ..checkpoints.text_file import SHIPPED_TEXT_ENCODER, holds_text, read_text_config
from ..shapes import sides
from ..training.own.cache import encode_plan, open_cache
from ..training.own.estimate import estimate
from ..training.own.folder import plan_folder
from ..training.own.plan import Dropped, Plan, PlanSettings, printable, table_lines, write_plan
from ..training.town_runs import RELEASED

CACHE_FOLDER = Path("runs/cache")
SLOW_FPS = 8.0  # the rate that models with positions on a grid were trained at


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `run`."""
    parser.add_argument("folder", type=Path, help="folder of videos and images, with captions")
    add_plan_arguments(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the plan to this file")
    parser.add_argument("--batch", type=int, default=4, help="clips a step, for the estimate")
    parser.add_argument("--lora", action="store_true", help="estimate a LoRA, not all weights")
    parser.add_argument("--encode", action="store_true", help="encode the clips now, too")


def add_plan_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `plan_of`, and those of model and cache."""
    usual = PlanSettings()
    parser.add_argument(
        "--size",
        type=sides,
        default=(64, 64),
        metavar="WxH",
        help="largest area of a frame, of any shape; default 64x64",
    )
    parser.add_argument(
        "--frames", type=int, default=usual.frames, help="longest clip, 1 + 4k frames; default 17"
    )
    parser.add_argument(
        "--fps", type=float, help=f"frames a second, 0 for each file's own; default {SLOW_FPS:g}"
    )
    parser.add_argument(
        "--parts", type=int, default=usual.parts, help="most clips of one file; default 8"
    )
    parser.add_argument(
        "--held-out",
        type=float,
        default=usual.held_out,
        metavar="SHARE",
        help="share of the files that training never sees; default 0.1",
    )
    parser.add_argument(
        "--shots", action="store_true", help="cut files at their cuts (needs PySceneDetect)"
    )
    parser.add_argument(
        "--uncaptioned", action="store_true", help="use files without captions too, with none"
    )
    parser.add_argument("--model", type=Path, default=RELEASED, help="model file to train from")
    parser.add_argument(
        "--cache", type=Path, default=CACHE_FOLDER, help=f"encoded clips; default {CACHE_FOLDER}"
    )


def run(args: Namespace) -> str:
    """The plan as a table; writes it with --json, and encodes its clips with --encode."""
    config = read_config(args.model)
    plan = with_estimates(plan_of(args), config, args.cache, batch=args.batch, lora=args.lora)
    if args.json:
        write_plan(args.json, plan)
    lines = list(table_lines(plan))
    if args.encode:
        lines += lost_lines(encode_plan(plan, open_cache(args.cache, args.model), print_encoded))
    return "\n".join(lines)


def lost_lines(lost: Sequence[Dropped]) -> list[str]:
    """A line for each clip of a plan that could not be encoded."""
    return [f"lost: {printable(one.source)}: {one.reason}" for one in lost]


def plan_of(args: Namespace) -> Plan:
    """The plan of a folder, without its cost."""
    fps = SLOW_FPS if args.fps is None else args.fps
    settings = PlanSettings(
        area=args.size[0] * args.size[1],
        frames=args.frames,
        fps=fps or None,
        parts=args.parts,
        held_out=args.held_out,
        shots=args.shots,
        uncaptioned=args.uncaptioned,
    )
    text_file = args.model if holds_text(args.model) else SHIPPED_TEXT_ENCODER
    tokenizer = read_text_config(text_file)[1]
    return plan_folder(args.folder, settings, tokenizer, print_planned)


def with_estimates(
    plan: Plan, config: CheckpointConfig, cache: Path, *, batch: int, lora: bool
) -> Plan:
    """`plan` with its cost, and a warning where the disk is too small for the cache."""
    cost = estimate(plan, config.transformer, cache, batch=batch, lora=lora)
    warnings = plan.warnings
    if cost.free_bytes < plan.cache_bytes:
        warnings += (
            f"the cache takes {plan.cache_bytes / 1e9:.1f} GB, and {cost.free_bytes / 1e9:.1f} GB "
            "are free there: free space, or choose another cache folder",
        )
    return replace(plan, estimates=cost, warnings=warnings)


def print_planned(done: int, total: int) -> None:
    """Updates a line of progress on stderr, if that is a terminal."""
    _print_line("planned", done, total)


def print_encoded(done: int, total: int) -> None:
    """Updates a line of progress on stderr, if that is a terminal."""
    _print_line("encoded", done, total)


def _print_line(what: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{what} {done}/{total}" + "\n" * (done == total))
