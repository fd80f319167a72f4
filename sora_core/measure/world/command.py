"""`measure world`: every ruler on true clips, the same through the autoencoder, and generated."""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ...pipeline.generate import MODELS, SHIPPED, load
from ...world.sheet import contact_sheet
from ..report import write_json
from .clips import Clips, Look
from .free import SCENE_READER
from .plan import FULL, QUICK, RULERS, chosen_rulers
from .row import HEADER, Row
from .town import town
from .worlds import first_world

ON_SHEET = 12  # scenes of a kind


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `run` reads, but for `--json`."""
    parser.add_argument(
        "--what", dest="rulers", nargs="+", default=[], metavar="NAME", help=", ".join(RULERS)
    )
    parser.add_argument("--clips", type=int, help="of each kind; 24, or 10 with --quick")
    parser.add_argument(
        "--town", action="store_true", help="scenes of the toy town, for models that learned it"
    )
    parser.add_argument("--quick", action="store_true", help="10 minutes of one core at most")
    parser.add_argument("--steps", type=int, help="as the model was trained for by default")
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="what each ruler looked at")
    parser.add_argument("--model", type=Path, default=MODELS / SHIPPED)


def run(args: Namespace, progress: Callable[[str], None]) -> list[Row]:
    """The rows of every requested ruler, in the order of the plan.

    `--json` is written after each of them, so that a run that was stopped leaves what it has.
    """
    plan = QUICK if args.quick else FULL
    if args.clips is not None:
        plan = replace(plan, clips=args.clips)
    names = chosen_rulers(args.rulers, args.town)
    if not args.rulers and not SCENE_READER.is_file():
        names.remove("free")
    if args.quick:
        torch.set_num_threads(1)
    world = town() if args.town else first_world()
    clips = Clips(load(args.model), world, steps=args.steps, progress=progress)
    rows = []
    for name in names:
        clips.ruler, began = name, time.process_time()
        rows += RULERS[name](clips, plan)
        progress(f"{name}: {time.process_time() - began:.0f} s of processor")
        if args.json:
            write_json([figure for row in rows for figure in row.figures], args.json)
    if args.sheets:
        write_sheets(clips.looks, args.sheets)
    return rows


def table(rows: list[Row], args: Namespace) -> str:
    """The rows as a table: true, limit, generated and the 95 % interval of generated."""
    lines = [HEADER, *map(str, rows)]
    if not args.rulers and not SCENE_READER.is_file():
        lines.append(f"free: left out, for there is no {SCENE_READER.name}")
    return "\n".join(lines)


def write_sheets(looks: Sequence[Look], folder: Path) -> None:
    """Writes a sheet for each ruler and clip size: generated clips beside any true ones."""
    folder.mkdir(parents=True, exist_ok=True)
    sheets: dict[str, list[Look]] = {}
    for look in looks:
        frames, height, width, _ = look.frames.shape
        sheets.setdefault(f"{look.ruler}_{width}x{height}x{frames}", []).append(look)
    for name, some in sheets.items():
        pictures, captions = [], []
        for look in some[:ON_SHEET]:
            if look.true is not None:
                pictures.append(look.true)
                captions.append("true")
            pictures.append(look.frames)
            captions.append(look.prompt)
        contact_sheet(pictures, captions, folder / f"{name}.png", columns=9, scale=1, across=2)
