"""Checks of inputs that some hosts do not check themselves."""

from collections.abc import Sequence

from ...sora_core.errors import ConfigError


def checked_choice(name: str, value: object, options: Sequence[str]) -> str:
    """`value` if it is one of `options`, else ConfigError; hosts up to 0.3.75 pass any value."""
    for option in options:
        if value == option:
            return option
    raise ConfigError(f"{name} {ascii(value)[:60]}: choose one of {', '.join(options)}"[:200])
