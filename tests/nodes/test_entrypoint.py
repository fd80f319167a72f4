"""What ComfyUI finds when it loads the pack."""

import asyncio
import re

import sora_nodes

from tools.host import ROOT


def node_schemas():
    extension = asyncio.run(sora_nodes.comfy_entrypoint())
    return [node.GET_SCHEMA() for node in asyncio.run(extension.get_node_list())]


SPELLED = {"Lora": "LoRA"}  # as the field writes it


def test_every_node_follows_the_naming_rules():
    for schema in node_schemas():
        assert re.fullmatch(r"Sora([A-Z][a-z]+)+", schema.node_id)
        parts = re.findall(r"[A-Z][a-z]+", schema.node_id)
        assert schema.display_name == " ".join(SPELLED.get(part, part) for part in parts)
        assert schema.category.split("/")[0] == "Sora"


def test_every_node_explains_itself_and_each_of_its_inputs():
    silent = [
        f"{schema.node_id}.{part}"
        for schema in node_schemas()
        for part, text in [
            ("description", schema.description),
            *[(widget.id, widget.tooltip) for widget in schema.inputs],
        ]
        if not text
    ]
    assert silent == []


def test_the_tables_of_the_front_page_name_every_node():
    front_page = (ROOT / "README.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (Sora [^|]+) \|", front_page, re.MULTILINE)
    named = [name for cell in cells for name in cell.split(", ")]
    assert sorted(named) == sorted(schema.display_name for schema in node_schemas())
