"""Our nodes in a real ComfyUI: exact sizes, nothing done twice, moving previews, quick cancel."""

import io
import time
from copy import deepcopy

import av
import pytest
from PIL import Image

from tools.client import GraphError

pytestmark = pytest.mark.host

SAVED = {
    "video": {
        "class_type": "SoraDecodeVideo",
        "inputs": {"latent": ["sample", 0], "vae": ["loader", 2]},
    },
    "saved": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["video", 0], "format": "auto", "codec": "auto"},
    },
}
FRAMES = {
    "frames": {
        "class_type": "SoraDecodeFrames",
        "inputs": {"latent": ["sample", 0], "vae": ["loader", 2]},
    },
    "shown": {"class_type": "PreviewImage", "inputs": {"images": ["frames", 0]}},
}


def changed(graph, **widgets):
    """`graph` with other values: `node__input=value`."""
    graph = deepcopy(graph)
    for name, value in widgets.items():
        node, widget = name.split("__")
        graph[node]["inputs"][widget] = value
    return graph


def run(client, graph):
    return client.run(client.completed(graph))


def pictures(client, graph):
    """Size and pixels of each output frame of a graph; files carry the graph as well."""
    files = run(client, graph).files("shown")
    displayed = [Image.open(io.BytesIO(client.view(file))) for file in files]
    return [(picture.size, picture.tobytes()) for picture in displayed]


@pytest.mark.parametrize("upscale", [1, 3])
def test_a_video_is_exactly_as_large_and_as_long_as_its_canvas(client, sampled, upscale):
    result = run(client, changed(sampled | SAVED, video__upscale=upscale))
    (file,) = result.files("saved")
    with av.open(io.BytesIO(client.view(file))) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.average_rate == 8
    assert [frame.shape for frame in frames] == [(34 * upscale, 50 * upscale, 3)] * 11
    assert frames[0].std() > 1


def test_frames_are_exactly_the_canvas_too(client, sampled):
    assert [size for size, _ in pictures(client, sampled | FRAMES)] == [(50, 34)] * 11


def test_another_seed_encodes_no_text_and_loads_no_weights(client, sampled):
    run(client, changed(sampled | SAVED, noise__seed=101))
    again = run(client, changed(sampled | SAVED, noise__seed=102))
    assert set(again.executed()) == {"noise", "sample", "video", "saved"}


def test_another_prompt_loads_no_weights(client, sampled):
    run(client, changed(sampled | SAVED, prompt__text="a ball"))
    again = run(client, changed(sampled | SAVED, prompt__text="a blue ball"))
    assert "loader" not in again.executed()
    assert "prompt" in again.executed()


def test_the_same_graph_runs_nothing_again(client, sampled):
    run(client, changed(sampled | SAVED, noise__seed=103))
    assert run(client, changed(sampled | SAVED, noise__seed=103)).executed() == []


def test_the_same_seed_gives_the_same_picture(client, sampled):
    graph = changed(sampled | FRAMES, noise__seed=104)
    first, second = (pictures(client, changed(graph, canvas__fps=fps)) for fps in (8.0, 8.001))
    assert first == second


def test_previews_come_with_every_step_and_move(client, sampled):
    result = run(client, changed(sampled | SAVED, noise__seed=105, schedule__steps=6))
    assert len(result.previews) >= 6
    assert len(set(result.previews)) >= 5


def test_progress_is_reported_step_by_step(client, sampled):
    result = run(client, changed(sampled | SAVED, noise__seed=106, schedule__steps=5))
    texts = [data["value"] for kind, data in result.events if kind == "progress"]
    assert texts[:5] == [1, 2, 3, 4, 5]


def test_cancel_stops_within_a_step(client, sampled):
    graph = changed(sampled | SAVED, noise__seed=107, schedule__steps=1000)
    observed = []

    def on_event(kind, data):
        if kind == "progress":
            observed.append(data["value"])
            if len(observed) == 1:
                client.interrupt()

    began = time.monotonic()
    with pytest.raises(GraphError, match="interrupted"):
        client.run(client.completed(graph), on_event)
    assert max(observed) < 100  # messages are throttled, the steps of a tiny model are not
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("sampler", ["heun", "dpmpp_2m", "sde"])
def test_every_sampler_generates_something_else(client, sampled, sampler):
    result = pictures(client, changed(sampled | FRAMES, sample__sampler=sampler))
    assert result != pictures(client, sampled | FRAMES)


@pytest.mark.parametrize(
    "widgets, text",
    [
        ({"canvas__seconds": 3000.0}, "frames"),
        ({"guider__from_sigma": 0.2, "guider__to_sigma": 0.5}, "to_sigma"),
        ({"prompt__text": "(ball:9)"}, "weight"),
    ],
)
def test_a_mistake_is_answered_with_one_clear_sentence(client, sampled, widgets, text):
    with pytest.raises(GraphError, match=text) as refused:
        run(client, changed(sampled | SAVED, **widgets))
    assert len(str(refused.value)) < 300


def test_a_file_that_is_no_model_of_ours_is_refused(client, sampled, server):
    other = server.base / "models" / "diffusion_models" / "other.safetensors"
    other.write_bytes(b"not a model")
    try:
        with pytest.raises(GraphError, match="safetensors"):
            run(client, changed(sampled | SAVED, loader__model=other.name))
    finally:
        other.unlink()  # the server is everybody's


def test_a_latent_of_another_model_is_refused_before_it_is_generated(client, sampled):
    other = {
        "grey": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "color": 7}},
        "pixels": {"class_type": "VAELoader", "inputs": {"vae_name": "pixel_space"}},
        "other": {
            "class_type": "VAEEncode",
            "inputs": {"pixels": ["grey", 0], "vae": ["pixels", 0]},
        },
    }
    with pytest.raises(GraphError, match="a latent of 3 channels for a model of 16"):
        run(client, changed(sampled | FRAMES | other, sample__latent=["other", 0]))
