"""Every workflow of the pack runs in a real ComfyUI, and saves what it promises."""

import json

import av
import pytest

from tools.draw_workflows import PREFIX, canvas_alone
from tools.host import ROOT
from tools.host_models import NEEDS_NEWER

pytestmark = pytest.mark.host

WORKFLOWS = sorted(ROOT.glob("workflows/api/*.json"))
OTHERS = [path for path in WORKFLOWS if path.stem.startswith("host_")]  # need models to download
OURS = [path for path in WORKFLOWS if path not in OTHERS]


@pytest.mark.parametrize("path", OURS, ids=[path.stem for path in OURS])
def test_a_workflow_runs_and_saves_something_to_look_at(client, server, path):
    run = client.run(client.completed(json.loads(path.read_text(encoding="utf-8"))))
    saved = run.files(kind="output")
    assert saved
    for file in saved:
        path = server.output / file["subfolder"] / file["filename"]
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert frames[0].std() > 1, f"{path.name} is one flat colour"


@pytest.mark.parametrize("path", OTHERS, ids=[path.stem for path in OTHERS])
def test_a_workflow_for_other_models_makes_its_canvas(client, path):
    graph = json.loads(path.read_text(encoding="utf-8"))
    alone, canvas = canvas_alone(graph)
    assert client.run(client.completed(alone)).files(canvas)
    known = client.nodes()
    absent = [node["class_type"] for node in graph.values() if node["class_type"] not in known]
    assert path.stem in NEEDS_NEWER or not absent
    for node in graph.values():
        if node["class_type"] in absent:
            continue
        assert set(node["inputs"]) <= {
            name for group in known[node["class_type"]]["input"].values() for name in group
        }, node["class_type"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
def test_a_workflow_is_drawn_with_the_same_nodes_and_has_a_picture(path):
    graph = json.loads(path.read_text(encoding="utf-8"))
    drawn = json.loads((ROOT / "workflows" / f"{PREFIX}{path.name}").read_text(encoding="utf-8"))
    types = sorted(node["type"] for node in drawn["nodes"] if node["type"] != "MarkdownNote")
    assert types == sorted(node["class_type"] for node in graph.values())
    assert (ROOT / "workflows" / f"{PREFIX}{path.stem}.jpg").exists()


def test_no_workflow_lacks_its_api_form():
    drawn = {path.stem for path in ROOT.glob("workflows/*.json")}
    assert drawn == {f"{PREFIX}{path.stem}" for path in WORKFLOWS}
