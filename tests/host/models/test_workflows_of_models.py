"""Each workflow for ComfyUI's own models loads, samples and saves, with tiny models as its files.

The graph is the one that users open: its loaders and their file names, its length, rate, shift
and sampler. Only the canvas is smaller.
"""

import io
import json
import re
from pathlib import Path

import av
import numpy as np
import pytest

from tools.client import Client
from tools.host import ROOT
from tools.host_models import NEEDS_NEWER, TRAINED

pytestmark = [pytest.mark.host, pytest.mark.slow]

CELLS = 8  # of the latent, in width and height
PIXELS = {  # of a cell; 8 of all others
    "host_wan22_5b_image_to_video": 16,
    "host_hunyuan15_image_to_video": 16,
    "host_ltx2_image_to_video_with_sound": 32,
}
FOOTAGE = {  # how the guider reports that the model gets the footage
    "host_wan22_i2v_lightning": "channels",
    "host_wan_vace_extend": "VACE",
    "host_wan_vace_connect": "VACE",
    "host_wan22_5b_image_to_video": "each token",
    "host_hunyuan15_image_to_video": "channels",
    "host_ltx2_image_to_video_with_sound": "each token",
}


@pytest.fixture(scope="module")
def models(comfyui, tmp_path_factory):
    base = tmp_path_factory.mktemp("models")
    with comfyui(base, packs=(ROOT, Path(__file__).parent / "pack")) as server:
        yield server


def read_small(name, known):
    """The graph of a workflow on a canvas of few cells."""
    graph = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text("utf-8"))
    absent = {node["class_type"] for node in graph.values()} - set(known)
    if name in NEEDS_NEWER and absent:
        pytest.skip(f"this ComfyUI has no {', '.join(sorted(absent))}: use --comfyui with a newer")
    (canvas,) = (node["inputs"] for node in graph.values() if node["class_type"] == "SoraCanvas")
    canvas["width"] = canvas["height"] = CELLS * PIXELS.get(name, 8)
    return graph, canvas


@pytest.mark.parametrize("name", TRAINED)
def test_a_workflow_makes_a_video_as_its_model_was_trained(models, name):
    client = Client(models.client.url)
    graph, canvas = read_small(name, client.nodes())
    run = client.run(client.completed(graph))
    (file,) = run.files(kind="output")
    place = models.output / file["subfolder"] / file["filename"]
    with av.open(str(place)) as container:
        rate = container.streams.video[0].average_rate
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    print(f"host_workflow_{name} {len(frames)} frames at {rate} of {frames[0].shape}")
    assert frames[0].shape == (canvas["height"], canvas["width"], 3)
    assert rate == TRAINED[name].fps
    assert len(frames) == (49 if name == "host_wan_text_to_video" else TRAINED[name].frames)
    for key, node in graph.items():
        if node["class_type"] == "SoraGuider":
            assert re.search(FOOTAGE[name], run.outputs()[key]["text"][0])


def test_the_lora_of_the_low_noise_model_has_an_effect(models):
    client = Client(models.client.url)
    graph, _ = read_small("host_wan22_i2v_lightning", client.nodes())
    (low,) = (node for node in graph.values() if node["_meta"]["title"] == "Low Noise Lightning")
    results = []
    for strength in (1.0, 0.0):
        low["inputs"]["strength_model"] = strength
        file = client.run(client.completed(graph)).files(kind="output")[0]
        with av.open(io.BytesIO(client.view(file))) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        results.append(np.stack(frames).astype(float))
    assert np.abs(results[0] - results[1]).mean() > 0.5  # the LoRA of the second expert counts
