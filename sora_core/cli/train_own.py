"""The commands `python -m sora_core train own FOLDER` and `... train plan-ranks PRESET`."""

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from ..training import distributed
from ..training.distributed import Ranks
from ..training.own.plan import Plan
from ..training.own.run import OwnResult
from ..training.own.settings import (
    ADAMW,
    MUON,
    PRECISIONS,
    TRAINABLE,
    TRANSFORMER,
    OwnSettings,
    chosen_device,
)
from ..training.parallel import PARALLEL, joined, launched
from ..training.sharded_checkpoint import ShardedFolder
from .train_plan import add_plan_arguments, plan_of

DEFAULTS = OwnSettings()


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `run`."""
    add_plan_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("runs/own"), help="folder of the run")
    parser.add_argument("--cache", type=Path, help="folder of encoded clips; default: OUT/cache")
    parser.add_argument("--resume", action="store_true", help="continue the run in OUT")
    parser.add_argument("--what", choices=TRAINABLE, default=TRANSFORMER)
    parser.add_argument("--lora", type=int, metavar="RANK", help="train a LoRA of this rank only")
    parser.add_argument("--alpha", type=float, help="scale of the LoRA times its rank; its rank")
    parser.add_argument("--start", type=Path, help="model file to start from; the released one")
    parser.add_argument("--steps", type=int, default=DEFAULTS.steps)
    parser.add_argument("--until", type=int, help="pause at this step; --resume continues")
    parser.add_argument("--batch", type=int, default=DEFAULTS.batch, help="clips a step, in all")
    parser.add_argument("--rate", type=float, help="learning rate; default 1e-3, LoRA 2e-3")
    parser.add_argument("--optimizer", choices=(MUON, ADAMW), default=MUON)
    parser.add_argument(
        "--averages", type=float, nargs="+", default=list(DEFAULTS.averages), metavar="DECAY",
        help="decays of the averages of the weights; the validation chooses",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--precision", choices=PRECISIONS, default=DEFAULTS.precision)
    parser.add_argument("--compile", action="store_true", help="torch.compile of each block")
    parser.add_argument(
        "--checkpointing", action="store_true", help="less memory: activations computed twice"
    )
    parser.add_argument(
        "--accumulate", type=int, default=1, metavar="PARTS", help="parts of a batch, in turn"
    )
    parser.add_argument("--parallel", choices=PARALLEL, default=DEFAULTS.parallel)
    parser.add_argument(
        "--processes", type=int, default=1,
        help="processes on this machine's CPU; for GPUs start the command by torchrun",
    )  # fmt: skip
    parser.add_argument("--validate-every", type=int, default=DEFAULTS.validate_every)
    parser.add_argument("--save-every", type=int, default=DEFAULTS.save_every)


def settings_of(args: Namespace) -> OwnSettings:
    """The settings in the arguments; ConfigError for values out of range."""
    return OwnSettings(
        what=args.what,
        lora_rank=args.lora,
        lora_alpha=args.alpha,
        start=str(args.start) if args.start else None,
        steps=args.steps,
        until=args.until,
        batch=args.batch,
        rate=args.rate,
        optimizer=args.optimizer,
        averages=tuple(args.averages),
        seed=args.seed,
        device=args.device,
        precision=args.precision,
        compile=args.compile,
        checkpointing=args.checkpointing,
        accumulate=args.accumulate,
        parallel=args.parallel,
        validate_every=args.validate_every,
        save_every=args.save_every,
    )


def run(args: Namespace) -> str | None:
    """Plans, encodes and trains; a line with the results.

    ConfigError where the folder of the run holds one and `--resume` is missing.
    """
    settings = settings_of(args)
    if ShardedFolder(args.out, Ranks()).exists() and not args.resume:
        raise ConfigError(
            f"{args.out} holds a run: add --resume to continue it, or choose another --out"
        )
    plan = plan_of(args)
    job = OwnJob(plan, settings, args.out, args.cache)
    if launched():
        with joined(chosen_device(settings.device).type) as (ranks, device):
            result = job.train(ranks, device)
            return job.line(result) if ranks.first else None
    if args.processes > 1:
        if chosen_device(settings.device).type != "cpu":
            raise ConfigError(
                f"--processes {args.processes}: for GPUs start by torchrun --nproc-per-node "
                f"{args.processes} -m sora_core train own ...; or add --device cpu"
            )
        distributed.run(job, args.processes)
        return None
    return job.line(job.train(Ranks(), chosen_device(settings.device)))


@dataclass(frozen=True, slots=True)
class OwnJob:
    """A run that each process calls with its ranks."""

    plan: Plan
    settings: OwnSettings
    folder: Path
    cache: Path | None

    def __call__(self, ranks: Ranks) -> None:
        result = self.train(ranks, chosen_device("cpu"))
        if ranks.first:
            sys.stdout.write(self.line(result) + "\n")

    def train(self, ranks: Ranks, device: "object") -> OwnResult:
        raise NotImplementedError
