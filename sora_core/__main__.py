"""The command line: `python -m sora_core generate|caption|world|train|measure`."""

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from .errors import SoraError

COMMANDS = {
    "generate": "paint a prompt into a video file",
    "caption": "say in words what the clips of a folder show",
    "world": "show the world that the models learn from",
    "train": "train an autoencoder or a transformer",
    "measure": "measure a model",
}


def command(name: str) -> ModuleType:
    """The module behind a command; each needs packages that the others do not."""
    match name:
        case "generate":
            from .cli import generate as module
        case "caption":
            from .cli import caption as module
        case "world":
            from .cli import world as module
        case "train":
            from .cli import train as module
        case _:
            from .cli import measure as module
    return module


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m sora_core", description=__doc__)
    parsers = parser.add_subparsers(dest="command", required=True)
    for name, purpose in COMMANDS.items():
        described = parsers.add_parser(name, help=purpose, description=purpose)
        if name in arguments[:1]:
            command(name).add_arguments(described)
    options = parser.parse_args(arguments)
    try:
        outcome = command(options.command).run(options)
    except SoraError as error:
        print(error, file=sys.stderr)
        return 2
    if outcome is not None:
        print(outcome)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
