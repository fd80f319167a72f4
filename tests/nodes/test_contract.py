"""Whatever a saved workflow relies on is written down, and has to stay."""

import asyncio
import copy
import json
from types import SimpleNamespace

import comfy_api.latest
import pytest
import sora_nodes
from sora_nodes.nodes import SoraExtension
from sora_nodes.nodes.node_replacements import REPLACED

from tools.contract import (
    COMMAND,
    CONTRACT,
    astray,
    broken,
    described,
    merged,
    nodes_of,
    pack_version,
    replaced_by,
    unrecorded,
)

RECORDED = json.loads(CONTRACT.read_text("utf-8"))["nodes"]


def test_nothing_that_a_saved_workflow_relies_on_has_changed():
    assert RECORDED
    now = nodes_of(sora_nodes)
    assert broken(RECORDED, now, replaced_by(sora_nodes), pack_version()) == []


def test_what_stands_in_for_a_node_takes_what_it_took():
    now = nodes_of(sora_nodes)
    assert [line for fields in REPLACED for line in astray(fields, RECORDED, now)] == []


def test_every_node_is_in_the_contract():
    added = unrecorded(RECORDED, nodes_of(sora_nodes))
    assert added == [], f"new in {', '.join(added)}: when it is as it shall stay, run `{COMMAND}`"


INFO = {
    "input": {
        "required": {
            "model": [["a.safetensors", "b.safetensors"]],
            "mode": ["COMBO", {"options": ["fast", "good"]}],
            "steps": ["INT", {"default": 4}],
        },
        "optional": {"mask": ["MASK", {}]},
    },
    "output": ["LATENT", "IMAGE"],
}
OLD = {"SoraPaint": described(INFO, "1.0.0"), "SoraOld": described(INFO, "1.0.0")}


def changed(change):
    now = copy.deepcopy(OLD)
    change(now["SoraPaint"], now)
    return now


def renamed(node, now):
    node["inputs"] = {"step" if name == "steps" else name: k for name, k in node["inputs"].items()}


BREAKING = {
    "a node is gone": lambda node, now: now.pop("SoraPaint"),
    "an input is gone": lambda node, now: node["inputs"].pop("steps"),
    "an input is renamed": renamed,
    "an input is another kind": lambda node, now: node["inputs"].update(steps="FLOAT"),
    "inputs are reordered": lambda node, now: node.update(
        inputs=dict(reversed(node["inputs"].items()))
    ),
    "an input comes first": lambda node, now: node.update(
        inputs={"new": "INT"} | node["inputs"], optional=["new", "mask"]
    ),
    "an input more is required": lambda node, now: node["inputs"].update(new="INT"),
    "an input is no longer optional": lambda node, now: node["optional"].clear(),
    "a choice is gone": lambda node, now: node["choices"]["mode"].remove("fast"),
    "an output is gone": lambda node, now: node["outputs"].pop(),
    "outputs are reordered": lambda node, now: node["outputs"].reverse(),
    "an output is another kind": lambda node, now: node["outputs"].__setitem__(0, "MASK"),
}


@pytest.mark.parametrize("change", BREAKING.values(), ids=BREAKING)
def test_what_breaks_a_saved_workflow_is_found(change):
    (line,) = broken(OLD, changed(change), {}, "2.0.0")[:1]
    assert line.startswith("SoraPaint")


def grown(node, now):
    node["inputs"]["new"] = "INT"
    node["optional"].append("new")
    node["choices"]["mode"].append("best")
    node["outputs"].append("AUDIO")
    node["inputs"]["mask"] = "MASK,IMAGE"  # takes more than it did
    now["SoraNew"] = described(INFO, "1.1.0")


def test_additions_at_the_end_are_no_break_but_have_to_be_recorded():
    now = changed(grown)
    assert broken(OLD, now, {}, "1.0.0") == []
    assert unrecorded(OLD, now) == ["SoraPaint", "SoraNew"]
    assert unrecorded(merged(OLD, now), now) == []


def test_a_node_keeps_the_version_in_which_it_came():
    now = {"SoraPaint": described(INFO, "3.0.0"), "SoraNew": described(INFO, "3.0.0")}
    assert {node: preserved["since"] for node, preserved in merged(OLD, now).items()} == {
        "SoraNew": "3.0.0",
        "SoraOld": "1.0.0",
        "SoraPaint": "1.0.0",
    }


@pytest.mark.parametrize(
    ("replaced", "version", "holds"),
    [
        ({"SoraOld": "SoraPaint"}, "1.1.0", True),
        ({"SoraOld": "SoraPaint"}, "1.0.0", False),
        ({"SoraOld": "SoraGone"}, "1.1.0", False),
        ({}, "1.1.0", False),
    ],
)
def test_a_node_goes_only_in_a_new_version_and_for_one_that_exists(replaced, version, holds):
    assert (broken(OLD, {"SoraPaint": OLD["SoraPaint"]}, replaced, version) == []) is holds


SWAP = {
    "old_node_id": "SoraOld",
    "new_node_id": "SoraPaint",
    "old_widget_ids": ["mode", "steps"],
    "input_mapping": [{"new_id": name, "old_id": name} for name in ("model", "mode", "steps")],
    "output_mapping": [{"new_idx": index, "old_idx": index} for index in range(2)],
}
LINKS = SWAP["input_mapping"]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({}, []),
        ({"old_node_id": "SoraNever"}, ["SoraNever or SoraPaint never was"]),
        ({"new_node_id": "SoraNever"}, ["SoraOld or SoraNever never was"]),
        ({"old_widget_ids": ["step"]}, ["step was no input"]),
        ({"old_widget_ids": ["steps", "control_after_generate"]}, []),
        (
            {"input_mapping": [*LINKS, {"new_id": "mask", "old_id": "mask"}]},
            ["mask may be lacking"],
        ),
        ({"input_mapping": None}, ["model", "mode", "steps"]),
        ({"input_mapping": [{"new_id": "model", "set_value": 1}]}, ["mode", "steps"]),
        ({"output_mapping": [{"new_idx": 0, "old_idx": 0}]}, ["output 1 is left open"]),
        (
            {"output_mapping": [{"new_idx": 1 - index, "old_idx": index} for index in range(2)]},
            ["output 0 is of another type", "output 1 is of another type"],
        ),
    ],
)
def test_a_replacement_that_loses_something_is_found(wrong, text):
    found = list(astray(SWAP | wrong, OLD, OLD))
    assert len(found) == len(text)
    assert all(line.startswith(word) for line, word in zip(found, text, strict=True))


def test_a_host_that_can_swap_nodes_gets_each_replacement(monkeypatch):
    texts = []

    class NodeReplacement:
        async def register(self, fields):
            texts.append(fields)

    def api():
        return SimpleNamespace(node_replacement=NodeReplacement())

    monkeypatch.setattr(comfy_api.latest.io, "NodeReplace", dict, raising=False)
    monkeypatch.setattr(comfy_api.latest, "ComfyAPI", api)
    monkeypatch.setattr("sora_nodes.nodes.node_replacements.REPLACED", [SWAP])
    asyncio.run(SoraExtension().on_load())
    assert texts == [SWAP]


def test_files_to_choose_from_are_no_part_of_the_contract():
    assert list(OLD["SoraPaint"]["choices"]) == ["mode"]
