"""Removed nodes, and the replacement of each in saved workflows."""

from typing import Any

import comfy_api.latest

REPLACED: list[dict[str, Any]] = []
"""Arguments of the host's `NodeReplace`: `old_node_id`, `new_node_id` and all of its other fields.

`old_widget_ids` are in the order of saved values; after a seed comes `control_after_generate`.
`input_mapping` lists every preserved input, also those whose id is unchanged; the host fails on a
graph that lacks one, so none may have been optional. `output_mapping` lists every output: the page
cuts the links of all others.
"""


async def register() -> None:
    """Registers `REPLACED` with the host; a host without this API shows these nodes as missing."""
    replace = getattr(comfy_api.latest.io, "NodeReplace", None)
    if replace is None or not REPLACED:
        return
    api: Any = comfy_api.latest.ComfyAPI()
    for fields in REPLACED:
        await api.node_replacement.register(replace(**fields))
