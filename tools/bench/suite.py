"""One suite of benchmarks, measured in a process of its own.

Not in `__main__`: a fresh process finds no functions there.
"""

import importlib
from collections.abc import Iterator

import torch

from sora_core.measure.report import Figure

from .race import DifferentError


def measure(suite: str, rounds: int, smoke: bool) -> tuple[list[Figure], bool]:
    """Prints the figures of a suite; whether all candidates had equal results."""
    torch.set_num_threads(1)
    figures = []
    try:
        for figure in run(suite, rounds, smoke):
            print(figure, flush=True)
            figures.append(figure)
    except ModuleNotFoundError as missing:
        print(f"# {suite} not run to its end: {missing.name} is not installed", flush=True)
    except DifferentError as difference:
        print(f"# {suite} DIFFERENT: {difference}", flush=True)
        return figures, False
    return figures, True


def run(suite: str, rounds: int, smoke: bool) -> Iterator[Figure]:
    """Yields the figures of a suite; its peers are imported here only."""
    yield from importlib.import_module(f"tools.bench.{suite}").run(1 if smoke else rounds, smoke)
