"""Nodes that are gone, and what stands in for each in a saved workflow."""

from typing import Any

import comfy_api.latest

REPLACED: list[dict[str, Any]] = []
"""What the host's `NodeReplace` takes: `old_node_id`, `new_node_id`, and always all of the others.

`old_widget_ids` are in the order of saved values; after a seed comes `control_after_generate`.
`input_mapping` names every input that is to stay, under its old name too if that is the same; the
host fails on a graph that lacks one, so none may have been optional. `output_mapping` names every
output: the page cuts the links of the rest.
"""


async def register() -> None:
    """Tells the host of `REPLACED`; one too old for it shows those nodes as missing."""
    replace = getattr(comfy_api.latest.io, "NodeReplace", None)
    if replace is None or not REPLACED:
        return
    api: Any = comfy_api.latest.ComfyAPI()
    for fields in REPLACED:
        await api.node_replacement.register(replace(**fields))
