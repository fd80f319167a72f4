"""Whether this host links sockets whose type is that of another socket (`io.MatchType`)."""

from comfy_api.latest import io
from comfy_execution.validation import validate_node_input


def links_match_types() -> bool:
    """Whether a queued graph may link `io.MatchType` to a VIDEO.

    ComfyUI 0.3.75 defines the type, but its validation refuses the links.
    """
    return validate_node_input(io.MatchType.io_type, io.Video.io_type)
