"""`measure world`: every ruler, of true clips, of these through the autoencoder, and generated."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch

from ...pipeline.generate import MODELS, SHIPPED, load
from ...shapes import Frames
from ...world.sheet import contact_sheet
from .clips import Clips, Shot
from .plan import FULL, QUICK, RULERS, chosen
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
    """The rows of every ruler that is asked for, in the order of the plan."""
    plan = QUICK if args.quick else FULL
    if args.clips is not None:
        plan = replace(plan, clips=args.clips)
    names = chosen(args.rulers, args.town)
    if args.quick:
        torch.set_num_threads(1)
    world = town() if args.town else first_world()
    clips = Clips(load(args.model), world, steps=args.steps, progress=progress)
    rows = []
    for name in names:
        rows += RULERS[name](clips, plan)
        progress(f"{name}: {rows[-1]}")
    if args.sheets:
        write_sheets(clips, args.sheets)
    return rows


def table(rows: list[Row]) -> str:
    """The rows for people: true, limit, made and the 95 % interval of made."""
    return "\n".join([HEADER, *map(str, rows)])


def write_sheets(clips: Clips, folder: Path) -> None:
    """A sheet for each kind of scene: the true clip, and beside it the generated one."""
    folder.mkdir(parents=True, exist_ok=True)
    shots: dict[str, list[tuple[Shot, Frames]]] = {}
    for shot, frames in clips.generated():
        name = f"{shot.kind} {shot.size.width}x{shot.size.height} {shot.fps:g}"
        shots.setdefault(name, []).append((shot, frames))
    for name, found in shots.items():
        pictures, captions = [], []
        for shot, frames in islice(found, ON_SHEET):
            sample = clips.sample(shot)
            if sample:
                pictures += [sample.clip.frames, frames]
                captions += ["true", sample.caption]
        if pictures:
            path = folder / f"{name.replace(' ', '_')}.png"
            contact_sheet(pictures, captions, path, columns=9, scale=1, across=2)
