"""The commands that train: `python -m sora_core train PART RECIPE`, and `... train plan FOLDER`."""

import os
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..errors import ConfigError, check_choice
from ..training import distributed
from ..training.experiment import AUTOENCODER_NAME, TRANSFORMER_NAME, prepare
from ..training.experiments import (
    CAPTIONER_FILE,
    CLASSIFIER_FILE,
    DECODER,
    RECAPTIONING,
    TEXT_FOLDER,
    AutoencoderRun,
    CaptionerRun,
    DecoderRun,
    ReaderRun,
    RecaptioningRun,
    TextRun,
    TransformerRun,
)
from ..training.few_step_runs import FEW_STEPS, FewStepsRun, TownFewStepsRun
from ..training.recipes import RECIPES, Recipe
from ..training.town_recipes import TOWN_RECIPES, TownRecipe
from ..training.town_runs import TownAutoencoderRun, TownTransformerRun
from ..training.trainer import Progress, TrainingConfig
from . import train_average, train_own, train_plan, train_ranks, train_recall

RecipeType = TypeVar("RecipeType", Recipe, TownRecipe)

RUNS = {
    AUTOENCODER_NAME: AutoencoderRun,
    TRANSFORMER_NAME: TransformerRun,
    FEW_STEPS: FewStepsRun,
    DECODER: DecoderRun,
    CLASSIFIER_FILE: ReaderRun,
    CAPTIONER_FILE: CaptionerRun,
    RECAPTIONING: RecaptioningRun,
    TEXT_FOLDER: TextRun,
}
TOWN_RUNS = {
    AUTOENCODER_NAME: TownAutoencoderRun,
    TRANSFORMER_NAME: TownTransformerRun,
    FEW_STEPS: TownFewStepsRun,
}
OWN = {
    "plan": (train_plan, "plan training on a folder of your own clips"),
    "own": (train_own, "train on a folder of your own clips"),
    "average": (train_average, "choose an average of a run's weights after it"),
    "recall": (train_recall, "compare what a tuned model gives with its training clips"),
    "plan-ranks": (train_ranks, "print parameters and memory of each of many processes"),
}
"""Commands for a user's own clips: the module of each, and what it does."""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `run`: a command for each part of the model and for own clips."""
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    for name, (module, purpose) in OWN.items():
        module.add_arguments(parts.add_parser(name, help=purpose, description=purpose))
    for name in RUNS:
        purpose = f"train the {name} of a recipe"
        add_recipe_arguments(parts.add_parser(name, help=purpose, description=purpose))


def add_recipe_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of a part of a recipe."""
    parser.add_argument("recipe", choices=[*RECIPES, *TOWN_RECIPES], help="model to train")
    parser.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count(), help="processes of one thread each"
    )
    parser.add_argument(
        "--root", type=Path, default=Path("runs"), help="folder for clips, checkpoints and sheets"
    )
    parser.add_argument("--steps", type=int, help="training steps; default: the recipe's")
    parser.add_argument(
        "--until",
        type=int,
        metavar="STEP",
        help="pause at this step; --resume continues with the same result as without a pause",
    )
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="share of the clips of a toy town recipe, 0 to 1; a run can continue with more",
    )
    parser.add_argument(
        "--prepare", action="store_true", help="only render and encode missing clips"
    )
    parser.add_argument(
        "--start",
        type=Path,
        metavar="FILE",
        help="start from the autoencoder or transformer in this model file",
    )


def run(args: Namespace) -> str | None:
    """Renders missing clips, then trains; a resumed run has the same numbers.

    For the user's clips, it runs the command in `OWN` instead and returns its report.

    ConfigError for options that the part or recipe does not take.
    """
    if args.part in OWN:
        return OWN[args.part][0].run(args)
    if args.recipe in TOWN_RECIPES:
        run_town(args)
        return None
    if args.share != 1 or args.until:
        raise ConfigError(f"--share and --until: only {', '.join(TOWN_RECIPES)} accept them")
    starting = AUTOENCODER_NAME, TRANSFORMER_NAME, FEW_STEPS
    if args.start and args.part not in starting:
        raise ConfigError(f"--start {args.start}: only {', '.join(starting)} accept it")
    recipe = with_training(RECIPES[args.recipe](), args.part, steps=args.steps)
    job = RUNS[args.part](
        recipe=recipe,
        root=args.root,
        resume=args.resume,
        on_progress=partial(print_training, args.part),
        start=args.start,
    )
    prepare(job, args.processes, print_shard)
    if not args.prepare:
        distributed.run(job, args.processes)
    return None


def run_town(args: Namespace) -> None:
    """`run` for a recipe of the toy town."""
    check_choice(f"a part of the recipe {args.recipe}:", args.part, TOWN_RUNS)
    if not 0 < args.share <= 1:
        raise ConfigError(f"--share {args.share:g}: choose above 0 and at most 1")
    recipe = TOWN_RECIPES[args.recipe]()
    recipe = with_training(recipe, args.part, until=args.until, steps=args.steps)
    job = TOWN_RUNS[args.part](
        recipe=recipe,
        root=args.root,
        resume=args.resume,
        on_progress=partial(print_training, args.part),
        start=args.start,
        share=args.share,
    )
    job.prepare(print_shard)
    if not args.prepare:
        distributed.run(job, args.processes)


def with_training(recipe: RecipeType, part: str, **changes: int | None) -> RecipeType:
    """`recipe` with `changes`, those of None aside, to the settings that train its `part`."""
    field = f"{part}_training".replace("-", "_")
    training: TrainingConfig = getattr(recipe, field)
    changed = {name: value for name, value in changes.items() if value is not None}
    return replace(recipe, **{field: replace(training, **changed)})


def print_shard(what: str, done: int, total: int) -> None:
    """Prints the progress of a preparation, in place."""
    sys.stdout.write(f"\r{what} {done}/{total}" + ("\n" if done == total else ""))
    sys.stdout.flush()


def print_training(part: str, progress: Progress) -> None:
    """Prints a line with step, loss, speed and remaining time."""
    sys.stdout.write(
        f"{part} {progress.step}/{progress.steps}  loss {progress.loss:.4f}  "
        f"{progress.samples_a_second:.1f} samples/s  {progress.seconds_left / 60:.1f} min left\n"
    )
    sys.stdout.flush()
