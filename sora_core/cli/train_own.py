"""The command that trains on a folder of own clips: `python -m sora_core train own FOLDER`."""

import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import ConfigError, TrainingError
from ..models.precision import PRODUCT_PRECISIONS
from ..training import distributed
from ..training.distributed import Ranks
from ..training.own.page import duration
from ..training.own.plan import Dropped, Plan, read_plan
from ..training.own.run import OwnResult, train_own
from ..training.own.settings import (
    ADAMW,
    MUON,
    TRAINABLE,
    TRANSFORMER_PART,
    OwnSettings,
    chosen_device,
)
from ..training.parallel import PARALLEL, joined, launched
from ..training.sharded_checkpoint import ShardedFolder
from ..training.trainer import Progress
from .train_plan import add_plan_arguments, lost_lines, plan_of, print_encoded

DEFAULTS = OwnSettings()


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `run`."""
    help_ = "folder of videos and images, with captions; with --plan, where its clips are now"
    parser.add_argument("folder", type=Path, nargs="?", help=help_)
    add_plan_arguments(parser)
    parser.add_argument("--plan", type=Path, help="plan from train plan --json, not a new one")
    parser.add_argument("--out", type=Path, default=Path("runs/own"), help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in OUT")
    parser.add_argument("--what", choices=TRAINABLE, default=TRANSFORMER_PART)
    parser.add_argument("--lora", type=int, metavar="RANK", help="train a LoRA of this rank only")
    parser.add_argument("--alpha", type=float, help="scale of the LoRA times its rank; its rank")
    parser.add_argument(
        "--fresh", type=width_and_depth, metavar="WIDTHxDEPTH", help="begin with a new transformer"
    )
    parser.add_argument("--steps", type=int, default=DEFAULTS.steps)
    parser.add_argument("--until", type=int, help="pause at this step; --resume continues")
    parser.add_argument("--batch", type=int, default=DEFAULTS.batch, help="clips a step, in all")
    parser.add_argument(
        "--rate", type=float, help="learning rate; 1e-3, LoRA 2e-3; text 1e-4, 1e-3"
    )
    parser.add_argument("--optimizer", choices=(MUON, ADAMW), default=MUON)
    parser.add_argument(
        "--averages",
        type=float,
        nargs="+",
        default=list(DEFAULTS.averages),
        metavar="DECAY",
        help="decays of the averages of the weights; the validation chooses",
    )
    parser.add_argument(
        "--snapshots",
        type=int,
        default=DEFAULTS.snapshots,
        metavar="N",
        help="saved for `train average`, which chooses another average after the run; 0 for none",
    )
    parser.add_argument(
        "--known", type=float, default=DEFAULTS.known, help="share of clips with known footage"
    )
    parser.add_argument(
        "--no-text", type=float, default=DEFAULTS.no_text, help="share of clips without caption"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--precision", choices=PRODUCT_PRECISIONS, default=DEFAULTS.precision)
    parser.add_argument(
        "--compile", dest="compiled", action="store_true", help="torch.compile of each block"
    )
    parser.add_argument(
        "--checkpointing", action="store_true", help="less memory: activations computed twice"
    )
    parser.add_argument(
        "--accumulate", type=int, default=1, metavar="PARTS", help="parts of a batch, in turn"
    )
    parser.add_argument("--parallel", choices=PARALLEL, default=DEFAULTS.parallel)
    parser.add_argument(
        "--processes", type=int, default=1, help="on this CPU; for GPUs use torchrun instead"
    )
    parser.add_argument("--validate-every", type=int, default=DEFAULTS.validate_every)
    parser.add_argument("--save-every", type=int, default=DEFAULTS.save_every)


def width_and_depth(text: str) -> tuple[int, int]:
    """The numbers in `text`, such as 128x6; ValueError unless it has this form."""
    width, depth = map(int, text.split("x"))
    return width, depth


def own_settings(args: Namespace) -> OwnSettings:
    """The settings in the arguments; ConfigError for values out of range."""
    same = (
        "what steps until batch rate optimizer known no_text seed device precision compiled "
        "checkpointing accumulate parallel validate_every save_every snapshots"
    )
    return OwnSettings(
        lora_rank=args.lora,
        lora_alpha=args.alpha,
        start=str(args.model),
        fresh=args.fresh,
        averages=tuple(args.averages),
        **{name: getattr(args, name) for name in same.split()},
    )


@dataclass(frozen=True, slots=True)
class OwnJob:
    """A run of `train own`; each process calls it."""

    plan: Plan
    settings: OwnSettings
    folder: Path
    cache: Path

    def __call__(self, ranks: Ranks) -> None:
        self.train(ranks, chosen_device("cpu"))

    def train(self, ranks: Ranks, device: torch.device) -> None:
        """Trains, and prints progress and result in the first process; Ctrl-C saves and ends it."""
        with stop_requested() as stopped:

            def on_clip(done: int, total: int) -> None:
                print_encoded(done, total)
                if stopped():
                    raise TrainingError(
                        f"stopped: {done} of {total} clips are in the cache; the same command "
                        "continues"
                    )

            result = train_own(
                self.plan,
                self.settings,
                self.folder,
                print_step,
                stopped,
                cache_folder=self.cache,
                on_clip=on_clip,
                on_lost=print_lost,
                on_note=print_note,
                ranks=ranks,
                device=device,
            )
        if ranks.first:
            sys.stdout.write(result_line(result) + "\n")


def run(args: Namespace) -> None:
    """Plans and encodes what is missing, then trains or continues.

    ConfigError without a folder and a plan, where the folder of the run holds one and `--resume`
    is missing, and for GPUs without torchrun.
    """
    if args.folder is None and args.plan is None:
        raise ConfigError("name a FOLDER of clips, or a plan of one by --plan FILE")
    settings = own_settings(args)
    if ShardedFolder(args.out, Ranks()).exists() and not args.resume:
        raise ConfigError(
            f"{args.out} holds a run: add --resume to continue it, or choose another --out"
        )
    plan = read_plan(args.plan) if args.plan else plan_of(args)
    if args.plan and args.folder:
        plan = plan.moved(args.folder)
    job = OwnJob(plan, settings, args.out, args.cache)
    device = chosen_device(settings.device)
    if launched():
        with joined(device.type) as (ranks, own_device):
            job.train(ranks, own_device)
    elif args.processes > 1:
        if device.type != "cpu":
            raise ConfigError(
                f"--processes {args.processes} on {device.type}: start it by torchrun "
                f"--nproc-per-node {args.processes} -m sora_core train own, or add --device cpu"
            )
        with stop_requested():  # the processes get the signal too, save, and end
            distributed.run(job, args.processes)
    else:
        job.train(Ranks(), device)


@contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Whether the block should end: after Ctrl-C or SIGTERM. A second one ends it at once."""
    received: list[int] = []

    def handle(number: int, frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        sys.stderr.write("saving after this step; once more to end without it\n")

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handle) for number in signals]
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def print_step(progress: Progress) -> None:
    """Prints a line with step, loss, speed and remaining time."""
    sys.stdout.write(
        f"step {progress.step}/{progress.steps}  loss {progress.loss:.4f}  "
        f"{progress.samples_a_second:.1f} clips/s  {duration(progress.seconds_left)} left\n"
    )
    sys.stdout.flush()


def print_lost(lost: Sequence[Dropped]) -> None:
    """Prints a line for each clip that training goes without."""
    sys.stdout.write("".join(f"{line}\n" for line in lost_lines(lost)))


def print_note(note: str) -> None:
    """Prints a line about the clips of the run."""
    sys.stdout.write(f"note: {note}\n")


def result_line(result: OwnResult) -> str:
    """Where the result and the report are."""
    state = "done" if result.finished else f"paused at step {result.step}; --resume continues"
    return f"{state}: {result.file}, report {result.report}"
