"""The command line: `python -m sora_core generate|caption|world|train|measure`."""

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from .errors import SoraError

COMMANDS = {
    "generate": "generate a video file from a prompt, footage or both",
    "caption": "caption the clips in a folder",
    "world": "render clips of the toy world that the models are trained on",
    "train": "train one part of a model",
    "measure": "measure a model",
}


def command(name: str) -> ModuleType:
    """The module of a command, imported on demand, since each needs packages of its own."""
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
    """The exit status of the command line `arguments`: 0, or 2 with the error on stderr."""
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
