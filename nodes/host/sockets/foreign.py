"""Errors of other packs' code as errors that name the input; their numbers as Python's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real

import torch
from av.error import FFmpegError
from torch import Tensor

from ....sora_core.errors import MediaError

FOREIGN_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    FFmpegError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Errors that objects of other packs may raise on access to their contents."""


@contextmanager
def foreign_code(name: str, kind: str) -> Iterator[None]:
    """Turns an error of another pack's object at the input `name` into a MediaError.

    Out-of-memory errors pass through: the host frees memory.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except FOREIGN_ERRORS as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:90]
        raise MediaError(
            f"{name}: the {kind} fails ({reason}): check the node that it comes from"
        ) from error


def number_of(value: object) -> int | float | None:
    """`value` as a number, which may be NaN or infinite; None for anything else.

    A tensor of one number is that number, and a switch is 0 or 1.
    """
    if isinstance(value, Tensor):
        ordinary = not (value.is_nested or value.is_meta) and value.numel() == 1
        value = value.item() if ordinary else None
    if isinstance(value, int | float):
        return value
    if isinstance(value, Integral):
        return int(value)
    try:
        return float(value) if isinstance(value, Real) else None
    except OverflowError:  # a fraction beyond all floats
        return None
