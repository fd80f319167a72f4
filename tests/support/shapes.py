"""Checks tensors against the annotated shapes of a function, and nothing else."""

import functools
import inspect
from types import UnionType
from typing import Any, get_args

import jaxtyping
from torch import Tensor


def check(function):
    """`function`, with a TypeError for each tensor that is not of the annotated shape and kind."""
    if not callable(function) or isinstance(function, type):
        return function
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            refuse(name, value, signature.parameters[name].annotation)
        result = function(*args, **kwargs)
        refuse("the result", result, signature.return_annotation)
        return result

    return checked


def refuse(name: str, value: Any, annotation: Any) -> None:
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    shapes = [kind for kind in kinds if isinstance(kind, type) and is_shape(kind)]
    if shapes and isinstance(value, Tensor) and not any(isinstance(value, s) for s in shapes):
        found = f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
        raise TypeError(f"{name} is {found}, not {annotation}")


def is_shape(kind: type) -> bool:
    return issubclass(kind, jaxtyping.AbstractArray)
