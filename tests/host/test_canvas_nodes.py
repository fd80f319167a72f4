"""Every edit in a real ComfyUI: exact sizes and lengths, sound in its place, a picture to see."""

import io

import av
import pytest
from PIL import Image

from tests.support.films import film
from tests.support.hearing import lag, sound
from tools.client import GraphError
from tools.host import FOOTAGE

pytestmark = pytest.mark.host

BALL, CUBE, STILL = "sora_ball.mp4", "sora_cube.mp4", "sora_still.png"
FRAMES, RATE = 17, 48_000  # of the footage


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


LOADED = {
    "ball": node("LoadVideo", file=BALL),
    "cube": node("LoadVideo", file=CUBE),
    "parts": node("GetVideoComponents", video=["cube", 0]),
    "made": node("CreateVideo", images=["parts", 0], audio=["parts", 1], fps=8.0),
    "still": node("LoadImage", image=STILL),
    "hole": node("SolidMask", value=1.0, width=32, height=32),
    "size": node("SoraCanvas", width=50, height=34, seconds=2.0, fps=8.0),
}
EDITS = {
    "image to video": (
        node("SoraImageToVideo", image=["still", 0], last_image=["still", 0], seconds=1.5),
        (64, 64, 12),
    ),
    "extend forward": (node("SoraExtendVideo", video=["ball", 0], seconds=1.0), (64, 64, 25)),
    "extend a batch of images": (
        node("SoraExtendVideo", video=["parts", 0], seconds=1.0, canvas=["size", 0]),
        (50, 34, 25),
    ),
    "extend both": (
        node("SoraExtendVideo", video=["ball", 0], seconds=0.5, direction="both", keep=1.0),
        (64, 64, 16),
    ),
    "loop": (node("SoraLoopVideo", canvas=["size", 0]), (50, 34, 16)),
    "loop through footage": (
        node("SoraLoopVideo", video=["ball", 0], seconds=0.3),
        (64, 64, 20),
    ),
    "connect": (
        node("SoraConnectVideos", first=["ball", 0], second=["cube", 0], seconds=1.0, keep=0.6),
        (64, 64, 18),
    ),
    "morph": (
        node("SoraMorphVideos", first=["ball", 0], second=["cube", 0], seconds=1.0),
        (64, 64, 26),
    ),
    "edit": (node("SoraEditVideo", video=["ball", 0], firmness=0.5), (64, 64, 17)),
    "inpaint": (
        node("SoraEditVideo", video=["ball", 0], firmness=0.0, mask=["hole", 0], start=0.5),
        (64, 64, 17),
    ),
    "outpaint": (node("SoraOutpaintVideo", video=["ball", 0], top=3), (96, 67, 17)),
    "place": (
        node("SoraPlaceVideo", canvas=["size", 0], video=["ball", 0], width=20, height=20),
        (50, 34, 16),
    ),
    "place an image": (
        node("SoraPlaceImage", canvas=["size", 0], image=["still", 0], counted_from="end"),
        (50, 34, 16),
    ),
}


def generated(edit):
    """A graph that samples and saves the canvas of `edit`, with its inputs."""
    graph = {
        "canvas": edit,
        "latent": node("SoraEncodeCanvas", canvas=["canvas", 0], vae=["loader", 2]),
        "video": node("SoraDecodeVideo", latent=["sample", 0], vae=["loader", 2]),
        "saved": node("SaveVideo", video=["video", 0], format="auto", codec="auto"),
    }
    needed = [edit]
    while needed:
        for value in needed.pop()["inputs"].values():
            if isinstance(value, list) and value[0] in LOADED:
                graph[value[0]] = LOADED[value[0]]
                needed.append(graph[value[0]])
    return graph


@pytest.fixture
def run(client, sampled):
    """Runs an edit with the tiny model; the path of the video is what it saved."""
    sampled["guider"]["inputs"]["latent"] = ["latent", 0]
    sampled["schedule"]["inputs"]["steps"] = 2

    def run(edit, **changed):
        graph = sampled | generated(edit)
        for name, inputs in changed.items():
            graph[name]["inputs"] |= inputs
        return client.run(client.completed(graph))

    return run


@pytest.fixture
def saved(run, server):
    def saved(edit, **changed):
        (file,) = run(edit, **changed).files("saved")
        return server.output / file["subfolder"] / file["filename"]

    return saved


@pytest.mark.parametrize("edit, size", EDITS.values(), ids=EDITS)
def test_an_edit_comes_out_exactly_as_large_and_as_long_as_asked(saved, edit, size):
    with av.open(str(saved(edit))) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 8
    height, width, _ = frames[0].shape
    assert (width, height, len(frames)) == size


@pytest.mark.parametrize(
    "inputs, later",
    [
        ({"direction": "forward"}, 0),
        ({"direction": "backward"}, RATE),
        ({"direction": "forward", "keep": 1.0}, -(FRAMES - 8) * RATE // 8),
    ],
)
def test_the_sound_of_extended_footage_is_heard_where_it_lies(saved, inputs, later):
    path = saved(node("SoraExtendVideo", video=["ball", 0], seconds=1.0, **inputs))
    heard = sound(path)
    assert lag(heard, sound(FOOTAGE / BALL)) == later
    with av.open(str(path)) as container:
        lasts = container.streams.video[0].frames / 8
    assert len(heard) == pytest.approx(lasts * RATE, abs=1024)


def test_components_keep_their_sound(saved):
    edit = node("SoraExtendVideo", video=["made", 0], seconds=1.0, direction="backward")
    assert lag(sound(saved(edit)), sound(FOOTAGE / CUBE)) == RATE


def test_another_sound_begins_with_the_video(saved):
    edit = node("SoraExtendVideo", video=["made", 0], seconds=1.0, direction="backward")
    path = saved(edit, video={"audio": ["parts", 1]})
    assert lag(sound(path), sound(FOOTAGE / CUBE)) == 0
    assert len(sound(path)) == pytest.approx(25 * RATE / 8, abs=1024)


def test_sound_can_be_left_out(saved):
    edit = node("SoraEditVideo", video=["ball", 0])
    assert sound(saved(edit, video={"sound": False})) is None


def test_another_frame_rate_of_the_decoder_retimes_the_sound(saved):
    path = saved(node("SoraEditVideo", video=["ball", 0]), video={"fps": 16.0})
    assert len(sound(path)) == pytest.approx(FRAMES * RATE / 16, abs=1024)


@pytest.mark.parametrize("edit, size", EDITS.values(), ids=EDITS)
def test_an_edit_shows_its_canvas_on_the_node(client, edit, size):
    graph = {
        name: result for name, result in generated(edit).items() if name in (*LOADED, "canvas")
    }
    graph["shown"] = node("PreviewAny", source=["canvas", 0])
    (file,) = client.run(client.completed(graph)).files("canvas")
    assert Image.open(io.BytesIO(client.view(file))).width == 512


def test_what_a_file_does_not_name_is_shown_on_the_node(server, client, monkeypatch):
    """The page shows the text of a message to a node, and not that of its output."""
    text_kind = (3).to_bytes(4, "big")  # then the length of the node's key, the key and the text
    monkeypatch.setattr("tools.client.PREVIEW_KIND", text_kind)
    film(server.base / "input" / "unnamed.mp4")
    graph = {
        "clip": node("LoadVideo", file="unnamed.mp4"),
        "canvas": node("SoraExtendVideo", video=["clip", 0], seconds=1.0),
        "shown": node("PreviewAny", source=["canvas", 0]),
    }
    run = client.run(client.completed(graph))
    (text,) = run.outputs()["canvas"]["text"]
    assert text.startswith("unnamed.mp4: it names no colour matrix: read as BT.601")
    assert run.previews == [b"canvas" + text.encode()]


@pytest.mark.parametrize(
    "edit, text",
    [
        (node("SoraExtendVideo", video=["ball", 0], seconds=3000.0), "frames"),
        (node("SoraLoopVideo"), "connect"),
        (node("SoraMorphVideos", first=["ball", 0], second=["cube", 0], seconds=9.0), "shorter"),
    ],
)
def test_a_mistake_is_answered_with_one_clear_sentence(run, edit, text):
    with pytest.raises(GraphError, match=text) as refused:
        run(edit)
    assert len(str(refused.value)) < 300
