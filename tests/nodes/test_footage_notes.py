"""What a file does not name, and what is not shown as it asks, stands on the node that reads it."""

import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl
from sora_nodes.nodes import schema_inputs
from sora_nodes.nodes.measure import SoraMeasureSeams
from sora_nodes.nodes.place import SoraPlaceVideo
from sora_nodes.nodes.spatial_edits import SoraEditVideo, SoraOutpaintVideo
from sora_nodes.nodes.temporal_edits import (
    SoraConnectVideos,
    SoraExtendVideo,
    SoraLoopVideo,
    SoraMorphVideos,
)
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.video.writer import write_video

from tests.support.films import film

CANVAS = Canvas(width=64, height=48, seconds=1.0)
NODES = {
    "place": (SoraPlaceVideo, lambda clip: (
        CANVAS, clip, 0.0, "start", 0.0, 0.0, 1.0, 1.0, "pad", 0, 0, 0, 0)),
    "edit": (SoraEditVideo, lambda clip: (clip, 0.3, 0.0, 0.0, "pad")),
    "outpaint": (SoraOutpaintVideo, lambda clip: (clip, 16, 0, 16, 0, "pad")),
    "extend": (SoraExtendVideo, lambda clip: (clip, 1.0, "forward", 0.0, "pad")),
    "connect": (SoraConnectVideos, lambda clip: (clip, clip, 1.0, 0.0, "pad")),
    "morph": (SoraMorphVideos, lambda clip: (clip, clip, 0.5, 0.5, "pad")),
    "loop": (SoraLoopVideo, lambda clip: (0.5, 0.5, "pad", clip)),
    "measure": (SoraMeasureSeams, lambda clip: (clip, "", False)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def page(temp, monkeypatch):
    """The texts that the page is asked to show on the node."""
    texts = []
    monkeypatch.setattr(schema_inputs, "show_text", texts.append)
    return texts


@pytest.mark.parametrize("name", NODES)
def test_an_unnamed_matrix_is_noted_on_every_node_that_reads_a_file(tmp_path, page, name):
    node, inputs = NODES[name]
    path = film(tmp_path / "my film\n.mp4", level=lambda i: np.full((48, 64, 3), 8 * i, np.uint8))
    result = node.execute(*inputs(InputImpl.VideoFromFile(str(path))))
    (text,) = result.ui["text"]
    matrix, levels = text.splitlines()
    assert matrix == "my film?.mp4: it names no colour matrix: read as BT.601, as ComfyUI reads it"
    assert "names no range of levels" in levels
    assert page == [text]


@pytest.mark.parametrize("name", NODES)
def test_a_file_that_names_all_has_no_note(tmp_path, page, name):
    node, inputs = NODES[name]
    grey = torch.full((25, 48, 64, 3), 90, dtype=torch.uint8)
    path = write_video(tmp_path / "a.mp4", [grey], 25)
    result = node.execute(*inputs(InputImpl.VideoFromFile(str(path))))
    assert "text" not in result.ui and page == []
