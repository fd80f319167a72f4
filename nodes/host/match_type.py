"""Whether this host connects sockets that take the type of another socket (`io.MatchType`)."""

from comfy_api.latest import io
from comfy_execution.validation import validate_node_input


def links_match_types() -> bool:
    """Whether a queued graph may connect `io.MatchType` to a VIDEO.

    ComfyUI 0.3.75 defines the type, but its validation refuses the connections.
    """
    return validate_node_input(io.MatchType.io_type, io.Video.io_type)
