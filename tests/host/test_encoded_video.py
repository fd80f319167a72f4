"""A video through Sora Encode Video and Sora Decode Video, in a real ComfyUI, is the same video."""

import pytest

from sora_core.video.probe import duration_of, probe
from tests.support.hearing import lag, sound
from tools.host import FOOTAGE

pytestmark = pytest.mark.host

BALL = FOOTAGE / "sora_ball.mp4"


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


@pytest.fixture
def saved(client, server, started):
    """The saved video of the ball, encoded with some inputs, and the text of the node."""

    def saved(**inputs):
        graph = {
            "loader": started["loader"],
            "ball": node("LoadVideo", file=BALL.name),
            "latent": node("SoraEncodeVideo", video=["ball", 0], vae=["loader", 2], **inputs),
            "video": node("SoraDecodeVideo", latent=["latent", 0], vae=["loader", 2]),
            "saved": node("SaveVideo", video=["video", 0], format="auto", codec="auto"),
        }
        run = client.run(client.completed(graph))
        (file,) = run.files("saved")
        return server.output / file["subfolder"] / file["filename"], run.outputs()["latent"]["text"]

    return saved


def test_it_keeps_its_size_rate_length_and_sound_and_says_how(saved):
    path, text = saved()
    before, after = probe(BALL), probe(path)
    assert (after.width, after.height, after.fps) == (before.width, before.height, before.fps)
    assert duration_of(path) == duration_of(BALL)
    assert lag(sound(path), sound(BALL)) == 0
    assert "17 frames of 64x64 at 8 fps, encoded in chunks that carry on exactly." in text


def test_a_part_of_it_keeps_the_sound_of_that_part(saved):
    path, _ = saved(start=1.0, stride=2, width=32)
    after = probe(path)
    assert (after.width, after.height, after.fps) == (32, 32, 4)
    assert lag(sound(path), sound(BALL)[48_000:]) == 0
