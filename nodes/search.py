"""Search words and rarely used inputs of the nodes, in the schema where the host takes them.

Older hosts refuse the arguments; there the page adds both from the same `web/search.json`.
"""

import json
from dataclasses import fields
from pathlib import Path

from comfy_api.latest import io

TABLE = Path(__file__).parents[1] / "web" / "search.json"


def searchable(nodes: list[type[io.ComfyNode]]) -> list[type[io.ComfyNode]]:
    """`nodes`, whose schemas carry `search_aliases` and `advanced` if this host knows them."""
    table = json.loads(TABLE.read_text("utf-8"))
    for node in nodes:
        _extend_schema(node, table["search_aliases"], table["advanced"])
    return nodes


def _extend_schema(
    node: type[io.ComfyNode], aliases: dict[str, list[str]], advanced: dict[str, list[str]]
) -> None:
    define = node.define_schema.__func__

    def define_schema(cls: type[io.ComfyNode]) -> io.Schema:
        schema = define(cls)
        if any(field.name == "search_aliases" for field in fields(schema)):
            schema.search_aliases = aliases[schema.node_id]
        for one in schema.inputs:
            if one.id in advanced.get(schema.node_id, ()) and hasattr(one, "advanced"):
                one.advanced = True
        return schema

    node.define_schema = classmethod(define_schema)  # pyright: ignore[reportAttributeAccessIssue]
