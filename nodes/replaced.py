"""Nodes that are gone, and what stands in for each in a saved workflow."""

from typing import Any

import comfy_api.latest

REPLACED: list[dict[str, Any]] = []
"""What the host's `NodeReplace` takes: `old_node_id`, `new_node_id`, and where names differ
`old_widget_ids` in the order of saved values, `input_mapping` and `output_mapping`.
"""


async def register() -> None:
    """Tells the host of `REPLACED`; one too old for it shows those nodes as missing."""
    replace = getattr(comfy_api.latest.io, "NodeReplace", None)
    if replace is None or not REPLACED:
        return
    api: Any = comfy_api.latest.ComfyAPI()
    for fields in REPLACED:
        await api.node_replacement.register(replace(**fields))
