"""Numbers, texts and switches from connections: the host checks only values typed in."""

from math import isfinite

from comfy_api.latest import io

from ....sora_core.errors import ConfigError
from .foreign import number_of
from .tensors import type_name

HUGE = 10**20  # larger whole numbers are not written out


def checked_int(name: str, value: object, spec: io.Input) -> int:
    """The whole number `value`, in the range of the input; 3.0 counts as 3."""
    number = number_of(value)
    if isinstance(number, float) and isfinite(number) and number == int(number):
        number = int(number)
    if not isinstance(number, int):
        raise ConfigError(f"{name} {described(value)}: give a whole number{range_text(spec)}")
    return int(in_range(name, number, spec))


def checked_float(name: str, value: object, spec: io.Input) -> float:
    """The finite number `value`, in the range of the input."""
    number = number_of(value)
    if number is None or (isinstance(number, float) and not isfinite(number)):
        raise ConfigError(f"{name} {described(value)}: give a number{range_text(spec)}")
    return float(in_range(name, number, spec))


def in_range(name: str, number: float, spec: io.Input) -> float:
    """`number`; ConfigError outside the range of the input, or of a float."""
    least = getattr(spec, "min", None)
    most = getattr(spec, "max", None)
    if not (-HUGE if least is None else least) <= number <= (HUGE if most is None else most):
        raise ConfigError(f"{name} {described(number)}: give a number{range_text(spec)}")
    return number


def range_text(spec: io.Input) -> str:
    """The range of the input in words; empty if it has none."""
    least, most = getattr(spec, "min", None), getattr(spec, "max", None)
    return "" if least is None or most is None else f" from {least:.15g} to {most:.15g}"


def described(value: object) -> str:
    """`value` if it is a short number, else its type, since texts may be of any length."""
    number = number_of(value)
    if number is None:
        return f"is {type_name(value)}"
    if isinstance(number, int) and abs(number) >= HUGE:
        return "is a huge number"
    return str(number)[:40]


def checked_text(name: str, value: object, spec: io.Input) -> str:
    """The text `value`."""
    if not isinstance(value, str):
        raise ConfigError(f"{name} is {type_name(value)}: give text")
    return value


def checked_switch(name: str, value: object, spec: io.Input) -> bool:
    """The switch `value`; the numbers 0 and 1 are switches."""
    number = number_of(value)
    if number not in (0, 1):
        raise ConfigError(f"{name} {described(value)}: give true or false")
    return bool(number)


def checked_option(name: str, value: object, spec: io.Input) -> str:
    """The option `value`, which must be text; the node compares it with its options."""
    if not isinstance(value, str):
        options = ", ".join(map(str, getattr(spec, "options", None) or ()))
        raise ConfigError(f"{name} is {type_name(value)}: choose one of {options}"[:200])
    return value
