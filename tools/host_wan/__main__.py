"""`python -m tools.host_wan data|train|measure`: a trained Wan of the host, as a test bench."""

import argparse
import sys
from pathlib import Path

import torch

from sora_core.errors import SoraError
from sora_core.measure.report import write_json
from sora_core.training.trainer import TrainingConfig

from .bench import GUIDANCE, STEPS, BenchSettings
from .network import WanSettings
from .report import METHODS, OPERATIONS, figures_of, measure_method
from .training import FOLDER, KINDS, make_latents, train_wan


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command in `what`, and the folder that all commands share."""
    parser = argparse.ArgumentParser(prog="python -m tools.host_wan", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="latents, checkpoints, models")
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("data", help="render and encode the clips")
    training = what.add_parser("train", help="train a network and write its file")
    training.add_argument("kind", choices=KINDS)
    training.add_argument("--steps", type=int, default=1500)
    training.add_argument("--batch", type=int, default=32)
    training.add_argument("--width", type=int, default=256)
    training.add_argument("--depth", type=int, default=6)
    training.add_argument("--matrix-rate", type=float, default=5e-3)
    training.add_argument("--rate", type=float, default=2e-3)
    training.add_argument("--decay", type=float, default=0.6)
    training.add_argument("--average", type=float, default=0.99)
    training.add_argument("--until", type=int, help="step at which to pause")
    training.add_argument("--resume", action="store_true")
    measuring = what.add_parser("measure", help="seams, drift and texture of edits")
    measuring.add_argument("measured", choices=("edits",))
    measuring.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    measuring.add_argument("--operations", nargs="+", choices=OPERATIONS, default=OPERATIONS)
    measuring.add_argument("--clips", type=int, default=12)
    measuring.add_argument("--steps", type=int, default=STEPS)
    measuring.add_argument("--guidance", type=float, default=GUIDANCE)
    measuring.add_argument("--sampler", default="euler")
    measuring.add_argument("--hand-over", type=float, default=0.0)
    measuring.add_argument("--easing", type=int, default=0, metavar="LATENT_FRAMES")
    measuring.add_argument("--sheets", type=Path, metavar="DIR", help="pictures of the edits")
    measuring.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser.parse_args(arguments)


def main() -> int:
    """The exit code of the command; 1 after a SoraError, which is printed on standard error."""
    options = parse()
    torch.set_num_threads(1)
    try:
        return run(options)
    except SoraError as error:
        print(error, file=sys.stderr)
        return 1


def run(options: argparse.Namespace) -> int:
    """0 once the data or the model file is written; the exit code of `measure`."""
    if options.what == "data":
        make_latents(options.folder, log)
        return 0
    if options.what == "measure":
        return measure(options)
    config = TrainingConfig(
        steps=options.steps,
        batch=options.batch,
        matrix_rate=options.matrix_rate,
        rate=options.rate,
        warmup=30,
        decay=options.decay,
        average=options.average,
        save_every=50,
        show_every=300,
        until=options.until,
    )
    settings = WanSettings(options.width, options.depth)
    path = train_wan(options.kind, config, settings, options.folder, options.resume, log)
    log(f"wrote {path}")
    return 0


def measure(options: argparse.Namespace) -> int:
    """Prints the claims of each method; 1 where a bar is missed."""
    settings = BenchSettings(
        steps=options.steps,
        guidance=options.guidance,
        sampler=options.sampler,
        hand_over=options.hand_over,
        easing=options.easing,
    )
    figures, held = [], True
    for method in options.methods:
        sheets = options.sheets and options.sheets / method
        claims = measure_method(
            method, options.folder, options.operations, options.clips, settings, sheets, note
        )
        log(f"# {method}")
        for claim in claims:
            log(str(claim))
        figures += figures_of(method, claims)
        held &= method == "ours" or all(claim.holds for claim in claims)
    if options.json:
        write_json(figures, options.json)
    return 0 if held else 1


def note(line: str) -> None:
    """Progress, on standard error."""
    print(line, file=sys.stderr, flush=True)


def log(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
