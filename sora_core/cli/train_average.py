"""The command that chooses an average of a run's weights after it: `... train average RUN`."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..training.own.average_choice import LENGTHS, MeasuredAverage, choose_average
from ..training.own.run import RUN_CACHE
from .train_own import print_lost
from .train_plan import CACHE_FOLDER


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `run`."""
    parser.add_argument("run", type=Path, help="folder of a run of train own")
    parser.add_argument(
        "--lengths",
        type=float,
        nargs="+",
        metavar="SHARE",
        help="lengths of the averages, as shares of the run; default: "
        f"{' '.join(f'{length:g}' for length in LENGTHS)}, where the snapshots give them",
    )
    parser.add_argument("--model", type=Path, help="start file of the run, if it was moved")
    parser.add_argument("--cache", type=Path, help="encoded clips; default: those of train own")


def run(args: Namespace) -> str:
    """Prints the held-out loss of each average, and writes the best one to a file in the run."""
    inside = args.run / RUN_CACHE
    result = choose_average(
        args.run,
        args.lengths,
        start=args.model,
        cache_folder=args.cache or (inside if inside.is_dir() else CACHE_FOLDER),
        on_measured=print_average,
        on_lost=print_lost,
    )
    return f"step {result.step}: {result.file}"


def print_average(measured: MeasuredAverage) -> None:
    """Prints a line with the length of an average, its held-out loss, and how exact it is."""
    loss = "no clip held out" if measured.loss is None else f"held-out loss {measured.loss:.5f}"
    sys.stdout.write(f"length {measured.length:g}: {loss}, {measured.error:.1%} off\n")
    sys.stdout.flush()
