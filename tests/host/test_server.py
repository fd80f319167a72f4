"""The pack loads in a real ComfyUI, and every node it declares is there."""

import ast

import pytest

from tools.client import GraphError
from tools.host import ROOT

pytestmark = pytest.mark.host

RED_VIDEO = {
    "picture": {
        "class_type": "EmptyImage",
        "inputs": {"width": 32, "height": 32, "batch_size": 5, "color": 0xFF0000},
    },
    "video": {"class_type": "CreateVideo", "inputs": {"images": ["picture", 0], "fps": 8}},
    "saved": {"class_type": "SaveVideo", "inputs": {"video": ["video", 0]}},
}


def declared_ids():
    """Every node id written in the source, as the Registry's scanner reads them."""
    for file in ROOT.glob("nodes/*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "node_id":
                yield ast.literal_eval(node.value)


def test_every_declared_node_is_registered(client):
    declared = set(declared_ids())
    assert declared
    assert declared <= set(client.nodes())


def test_the_pack_loads_without_a_complaint(server):
    starting, ready, _ = server.log.read_text().partition("To see the GUI go to")
    assert ready
    about_us = [line for line in starting.splitlines() if "sora_nodes" in line]
    assert about_us
    assert not [
        line for line in about_us if "FAILED" in line or "Error" in line or "Cannot" in line
    ]


def test_a_graph_runs_and_its_file_comes_back(client):
    run = client.run(client.completed(RED_VIDEO))
    assert run.executed() == ["picture", "video", "saved"]
    assert [b"ftyp" in client.view(file)[:12] for file in run.files()] == [True]


def test_a_graph_with_one_bad_branch_is_refused_whole(client):
    good = client.completed(RED_VIDEO)
    bad = good | {
        "broken": {"class_type": "PreviewImage", "inputs": {"images": ["nothing", 0]}},
    }
    with pytest.raises(GraphError):
        client.run(bad)


def test_the_server_writes_below_its_own_folder(server, client):
    for file in client.run(client.completed(RED_VIDEO)).files():
        assert (server.base / "output" / file["subfolder"] / file["filename"]).exists()
