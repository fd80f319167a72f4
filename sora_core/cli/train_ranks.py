"""The command that plans many processes: `python -m sora_core train plan-ranks PRESET`."""

from argparse import ArgumentParser, Namespace

from ..checkpoints import presets
from ..training.memory_plan import memory_lines, memory_of

PRESETS = {
    "mini": presets.mini,
    "small": presets.small,
    "base": presets.base,
    "large": presets.large,
    "huge": presets.huge,
}


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `run`."""
    parser.add_argument("preset", choices=PRESETS, help="size of the transformer")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 8, 64], help="processes")
    parser.add_argument("--averages", type=int, default=1, help="averages of the weights")
    parser.add_argument("--tokens", type=int, default=8192, help="tokens a process has in a step")
    parser.add_argument(
        "--no-checkpointing", action="store_true", help="keep the activations of all blocks"
    )


def run(args: Namespace) -> str:
    """Parameters, and memory of the fullest process for each number of processes."""
    memories = [
        memory_of(
            PRESETS[args.preset](),
            ranks,
            averages=args.averages,
            tokens=args.tokens,
            checkpointing=not args.no_checkpointing,
        )
        for ranks in args.ranks
    ]
    head = f"{args.preset}: {memories[0].parameters / 1e9:.2f} B parameters, {args.tokens} tokens"
    return "\n".join([head, *memory_lines(memories)])
