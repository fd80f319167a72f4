"""Every workflow, of this version and of each that was released, still fits the nodes."""

import copy
import re

import pytest
import sora_nodes

from tools.contract import infos_of, replaced_by
from tools.host import ROOT
from tools.released import RELEASED, WORKFLOWS, keep, read, unloaded, unqueued

INFOS = {info["name"]: info for info in infos_of(sora_nodes)}
REPLACED = replaced_by(sora_nodes)
PLACES = [WORKFLOWS, *sorted(RELEASED.glob("*"))]
QUEUED = [path for place in PLACES for path in sorted(place.glob("api/*.json"))]
DRAWN = [path for place in PLACES for path in sorted(place.glob("*.json"))]


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", QUEUED, ids=name)
def test_a_graph_still_names_what_the_nodes_take(path):
    assert list(unqueued(read(path), INFOS, REPLACED)) == []


@pytest.mark.parametrize("path", DRAWN, ids=name)
def test_the_values_of_a_drawn_workflow_still_fall_to_their_widgets(path):
    assert list(unloaded(read(path), INFOS, REPLACED)) == []


def test_every_version_that_the_changelog_dates_has_its_workflows():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    dated = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    assert [version for version in dated if not (RELEASED / version / "api").is_dir()] == []


def test_what_was_kept_once_is_not_overwritten(tmp_path):
    folder = keep("9.9.9", tmp_path)
    assert len(list(folder.glob("*.json"))) == len(list(WORKFLOWS.glob("*.json"))) > 0
    assert len(list(folder.glob("api/*.json"))) == len(list(WORKFLOWS.glob("api/*.json"))) > 0
    with pytest.raises(FileExistsError):
        keep("9.9.9", tmp_path)


def renamed(info):
    required = info["input"]["required"]
    info["input"]["required"] = {
        "pace" if name == "steps" else name: spec for name, spec in required.items()
    }


def reordered(info):
    info["input"]["required"] = dict(reversed(info["input"]["required"].items()))


def demanding(info):
    info["input"]["required"]["more"] = ["INT", {}]


BREAKS = {
    "SoraSchedule takes no steps": ("SoraSchedule", renamed),
    "SoraSchedule wants more": ("SoraSchedule", demanding),
    "SoraSample does not offer euler": (
        "SoraSample",
        lambda info: info["input"]["required"].update(sampler=["COMBO", {"options": ["heun"]}]),
    ),
}


@pytest.mark.parametrize("text", BREAKS)
def test_what_a_graph_would_miss_is_found(text):
    node, change = BREAKS[text]
    infos = copy.deepcopy(INFOS)
    change(infos[node])
    found = list(unqueued(read(WORKFLOWS / "api" / "text_to_video.json"), infos, {}))
    assert any(line.startswith(text) for line in found)


@pytest.mark.parametrize("change", [renamed, reordered], ids=["renamed", "reordered"])
def test_values_that_would_fall_to_other_widgets_are_found(change):
    infos = copy.deepcopy(INFOS)
    change(infos["SoraSchedule"])
    assert list(unloaded(read(WORKFLOWS / "sora_text_to_video.json"), infos, {}))


def test_a_node_that_is_gone_is_found_until_another_stands_in_for_it():
    infos = {kind: info for kind, info in INFOS.items() if kind != "SoraNoise"}
    places = ("api/text_to_video.json", "sora_text_to_video.json")
    graph, drawn = (read(WORKFLOWS / place) for place in places)
    assert list(unqueued(graph, infos, {})) == ["SoraNoise (6) is gone"]
    assert list(unloaded(drawn, infos, {}))
    swapped = {"SoraNoise": "SoraSample"}
    assert [*unqueued(graph, infos, swapped), *unloaded(drawn, infos, swapped)] == []
