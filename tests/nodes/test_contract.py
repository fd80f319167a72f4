"""Whatever a saved workflow relies on is written down, and has to stay."""

import copy
import json

import pytest
import sora_nodes

from tools.contract import (
    COMMAND,
    CONTRACT,
    broken,
    described,
    merged,
    nodes_of,
    pack_version,
    unrecorded,
)


def contract():
    whole = json.loads(CONTRACT.read_text("utf-8"))
    return whole["nodes"], whole["replaced"]


def test_nothing_that_a_saved_workflow_relies_on_has_changed():
    recorded, replaced = contract()
    assert recorded
    assert broken(recorded, nodes_of(sora_nodes), replaced, pack_version()) == []


def test_every_node_is_in_the_contract():
    added = unrecorded(contract()[0], nodes_of(sora_nodes))
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
    assert {node: kept["since"] for node, kept in merged(OLD, now).items()} == {
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


def test_files_to_choose_from_are_no_part_of_the_contract():
    assert list(OLD["SoraPaint"]["choices"]) == ["mode"]
