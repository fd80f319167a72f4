"""What hosts validate: choices that some pass unchecked, and types of sockets that some refuse."""

from collections.abc import Sequence

from comfy_api.latest import io
from comfy_execution.validation import validate_node_input

from ...sora_core.errors import ConfigError


def checked_choice(name: str, value: object, options: Sequence[str]) -> str:
    """`value` if it is one of `options`, else ConfigError; hosts up to 0.3.75 pass any value."""
    for option in options:
        if value == option:
            return option
    raise ConfigError(f"{name} {ascii(value)[:60]}: choose one of {', '.join(options)}"[:200])


def links_match_types() -> bool:
    """Whether a queued graph may connect `io.MatchType` to a VIDEO.

    ComfyUI 0.3.75 defines the type, but its validation refuses the connections.
    """
    return validate_node_input(io.MatchType.io_type, io.Video.io_type)
