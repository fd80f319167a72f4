"""What the host lets through where a node offers a choice."""

from collections.abc import Sequence

from ...sora_core.errors import ConfigError


def checked_choice(name: str, value: object, options: Sequence[str]) -> str:
    """`value`, which is one of `options`; hosts up to 0.3.75 pass on whatever they are sent."""
    for option in options:
        if value == option:
            return option
    raise ConfigError(f"{name} {ascii(value)[:60]}: choose one of {', '.join(options)}"[:200])
