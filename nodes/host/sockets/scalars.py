"""Numbers of Python, NumPy and torch as Python's own."""

from numbers import Integral, Real

from torch import Tensor


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
