"""The command that asks a tuned model for its training clips: `... train recall PLAN`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from statistics import fmean

from ..measure.recall import (
    RecallSettings,
    clip_psnr,
    held_out_psnr,
    recalled_clips,
    tuned_pipeline,
)
from ..measure.report import Figure, write_json
from ..training.own.plan import read_plan
from ..training.town_runs import RELEASED
from ..world.sheet import contact_sheet
from .train_plan import print_encoded


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `run`."""
    parser.add_argument("plan", type=Path, help="JSON file of train plan --json")
    parser.add_argument("--weights", type=Path, help="LoRA or model file of train own")
    parser.add_argument("--model", type=Path, default=RELEASED, help="model the LoRA is for")
    parser.add_argument("--steps", type=int, default=RecallSettings().steps)
    parser.add_argument("--guidance", type=float, default=RecallSettings().guidance)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--sheet", type=Path, metavar="OUT.png", help="picture of the clips")


def run(args: Namespace) -> str:
    """A line for each training clip: correlation of the autoencoder's and of the model's clip.

    Then the means, and the autoencoder's PSNR on training clips and on those held out.
    """
    plan = read_plan(args.plan)
    pipeline = tuned_pipeline(args.model, args.weights)
    settings = RecallSettings(steps=args.steps, guidance=args.guidance, seed=args.seed)
    found = list(recalled_clips(pipeline, plan, settings, print_encoded))
    lines = [
        f"{one.clip.source} @{one.clip.start:.2f}s: autoencoder {one.by_autoencoder:.3f}, "
        f"model {one.by_model:.3f}"
        for one in found
    ]
    measured = [
        Figure("recall/autoencoder", fmean(one.by_autoencoder for one in found)),
        Figure("recall/model", fmean(one.by_model for one in found)),
        Figure("recall/model_least", min(one.by_model for one in found)),
        Figure("recall/clips", len(found)),
        Figure("recall/psnr", fmean(clip_psnr(one.true, one.reconstructed) for one in found), "dB"),
    ]
    if held_out := held_out_psnr(pipeline, plan):
        measured.append(Figure("recall/held_out_psnr", fmean(held_out), "dB"))
    if args.json:
        write_json(measured, args.json)
    if args.sheet:
        clips = [frames for one in found for frames in (one.true, one.reconstructed, one.generated)]
        captions = [text for one in found for text in (one.clip.caption, "decoded", "generated")]
        contact_sheet(clips, captions, args.sheet, scale=2, across=3)
    return "\n".join([*lines, *map(str, measured)])
