"""Errors from other packs' code, converted to errors that name the input."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from av.error import FFmpegError

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
