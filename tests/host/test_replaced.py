"""A node that is gone: a ComfyUI that can swap nodes runs the graph that was saved with it."""

import copy
import json

import aiohttp
import pytest

from tools.host import ROOT
from tools.published import unpack

pytestmark = [pytest.mark.host, pytest.mark.slow]

NOTHING = "REPLACED: list[dict[str, Any]] = []"
GONE = {
    "old_node_id": "SoraPace",
    "new_node_id": "SoraSchedule",
    "old_widget_ids": ["pace", "shift", "strength"],
    "input_mapping": [
        {"new_id": "latent", "old_id": "latent"},
        {"new_id": "steps", "old_id": "pace"},
        {"new_id": "shift", "old_id": "shift"},
        {"new_id": "strength", "old_id": "strength"},
    ],
    "output_mapping": [{"new_idx": 0, "old_idx": 0}],
}


@pytest.fixture
def later(comfyui, client, tmp_path):
    """A client of a server with a later version of the pack, in which a node is gone."""
    try:
        client.get("/node_replacements")
    except aiohttp.ClientResponseError:
        pytest.skip("this ComfyUI swaps no nodes: try a newer one with --comfyui=DIR")
    pack = tmp_path / "sora_nodes"
    unpack(pack)
    source = pack / "nodes" / "node_replacements.py"
    before, empty, after = source.read_text("utf-8").partition(NOTHING)
    source.write_text(f"{before}{empty.replace('[]', f'[{GONE}]')}{after}", encoding="utf-8")
    flags = ("--cache-classic",)  # by default newer hosts drop results when memory is short
    with comfyui(tmp_path / "comfyui", packs=(pack,), flags=flags) as server:
        yield server.client


def test_a_graph_with_a_node_that_is_gone_is_the_graph_with_what_stands_in_for_it(later):
    graph = json.loads((ROOT / "workflows" / "api" / "text_to_video.json").read_text("utf-8"))
    graph = later.completed(graph)
    (key,) = (key for key, node in graph.items() if node["class_type"] == "SoraSchedule")
    graph[key]["inputs"]["steps"] = 1
    saved = copy.deepcopy(graph)
    saved[key]["class_type"] = "SoraPace"
    saved[key]["inputs"]["pace"] = saved[key]["inputs"].pop("steps")
    assert later.run(saved).files(kind="output")
    assert later.run(graph).executed() == []
