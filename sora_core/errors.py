"""Errors in a user's input: one class for each source of input, and the checks that raise them."""

from collections.abc import Collection
from math import inf


class SoraError(Exception):
    """An error that the user can correct. The message names the value, the limit and the fix."""


class ConfigError(SoraError):
    """A setting out of range, or settings that contradict each other."""


class SizeError(SoraError):
    """A width, height, duration or frame rate outside what the pack supports."""


class MediaError(SoraError):
    """A picture, video or sound file that cannot be read or written."""


class WeightsError(SoraError):
    """A model file that is malformed, or does not fit the model it is loaded into."""


class PathError(SoraError):
    """A file name that is not legal everywhere, or that leads out of its folder."""


class PromptError(SoraError):
    """A text that cannot be encoded."""


class TrainingError(SoraError):
    """A training run that cannot start, continue or resume."""


def check_choice(
    name: str, value: str, options: Collection[str], error: type[SoraError] = ConfigError
) -> None:
    """Raises `error` unless `value` is one of `options`."""
    if value not in options:
        raise error(f"{name} {ascii(value)[:42]}: choose one of {', '.join(options)}")


def check_range(
    name: str,
    value: float,
    low: float,
    high: float = inf,
    error: type[SoraError] = ConfigError,
    unit: str = "",
) -> None:
    """Raises `error` unless low <= `value` <= high, all in `unit`; NaN is in no range."""
    if not low <= value <= high:
        unit = unit and f" {unit}"
        allowed = f"{low}{unit} or more" if high == inf else f"from {low} to {high}{unit}"
        raise error(f"{name} {value}{unit}: choose {allowed}")
