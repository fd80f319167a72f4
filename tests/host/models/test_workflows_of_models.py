"""Each workflow for ComfyUI's own models loads, samples and saves, with tiny models as its files.

The graph is the one that users open: its loaders and their file names, its length, rate, shift
and sampler. Only the canvas is smaller.
"""

import json
from pathlib import Path

import av
import pytest

from tools.client import Client
from tools.host import ROOT
from tools.host_models import TRAINED

pytestmark = [pytest.mark.host, pytest.mark.slow]

CELLS = 8  # of the latent, in width and height
PIXELS = {"host_wan22_5b_image_to_video": 16, "host_hunyuan15_image_to_video": 16}  # else 8
PRESERVED = {  # what the guider says of the footage, where it is ours
    "host_wan22_i2v_lightning": "channels",
    "host_wan_vace_extend": "VACE",
    "host_wan_vace_connect": "VACE",
    "host_wan22_5b_image_to_video": "One noise level a latent frame",
    "host_hunyuan15_image_to_video": "channels",
}


@pytest.fixture(scope="module")
def models(comfyui, tmp_path_factory):
    base = tmp_path_factory.mktemp("models")
    with comfyui(base, packs=(ROOT, Path(__file__).parent / "pack")) as server:
        yield server


def read_small(name):
    """The graph of a workflow on a canvas of few cells."""
    graph = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text("utf-8"))
    (canvas,) = (node["inputs"] for node in graph.values() if node["class_type"] == "SoraCanvas")
    canvas["width"] = canvas["height"] = CELLS * PIXELS.get(name, 8)
    return graph, canvas


@pytest.mark.parametrize("name", TRAINED)
def test_a_workflow_makes_a_video_of_the_trained_length_and_rate(models, name):
    graph, canvas = read_small(name)
    client = Client(models.client.url)
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


@pytest.mark.parametrize("name", PRESERVED)
def test_a_workflow_shows_its_model_the_footage_as_it_was_trained(models, name):
    graph, _ = read_small(name)
    client = Client(models.client.url)
    outputs = client.run(client.completed(graph)).outputs()
    (guider,) = (key for key, node in graph.items() if node["class_type"] == "SoraGuider")
    assert PRESERVED[name] in outputs[guider]["text"][0]


def test_the_low_noise_model_of_the_pair_takes_the_last_two_steps_of_four(models):
    graph, _ = read_small("host_wan22_i2v_lightning")
    (low,) = (key for key, node in graph.items() if node["_meta"]["title"] == "Low Noise Model")
    client = Client(models.client.url)
    names = {}
    for strength in (1.0, 0.0):
        for node in graph.values():
            if node["_meta"]["title"] == "Low Noise Lightning":
                node["inputs"]["strength_model"] = strength
        file = client.run(client.completed(graph)).files(kind="output")[0]
        names[strength] = client.view(file)
    assert low and names[1.0] != names[0.0]  # the LoRA of the second expert has an effect
