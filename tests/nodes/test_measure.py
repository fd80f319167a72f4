"""Sora Measure Seams reports what the core measures, of images and of files alike."""

import json

import pytest
import torch
from comfy_api.latest import InputImpl
from sora_nodes.nodes.measure import SoraMeasureSeams, join_numbers
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import ConfigError, SizeError
from sora_nodes.sora_core.video.writer import write_video

EMPTY = Canvas(width=32, height=32, seconds=17 / 8, fps=8)


pytestmark = pytest.mark.usefixtures("temp")


def jump(at, frames=17):
    """Noise that stands still, and is brighter from frame `at` on."""
    torch.manual_seed(0)
    clip = torch.randint(40, 160, (1, 32, 32, 3), dtype=torch.uint8).repeat(frames, 1, 1, 1)
    clip[at:] += 30
    return clip


def measured(video, joins="", loop=False, canvas=None, vae=None):
    picture, report, out = SoraMeasureSeams.execute(video, joins, loop, canvas, vae).result
    assert out is video
    assert picture.ndim == 4 and picture.shape[-1] == 3
    return json.loads(report)


def images(frames):
    return frames.float() / 255


def test_a_join_that_is_named_is_measured():
    (join,) = measured(images(jump(6)), "6")["joins"]
    assert join["frame"] == 6 and join["pixels"] == pytest.approx(30 / 0.25)


def test_the_canvas_knows_its_joins_and_its_footage():
    clip = jump(9)
    report = measured(images(clip), canvas=edits.extend_forward(EMPTY, clip[:9]))
    assert [join["frame"] for join in report["joins"]] == [9]
    assert report["kept_psnr_db"] == 120
    assert report["drift"]["colour_per_link"] == pytest.approx(30, abs=0.1)


def test_joins_that_are_named_go_before_those_of_the_canvas():
    canvas = edits.extend_forward(EMPTY, jump(9)[:9])
    assert [j["frame"] for j in measured(images(jump(9)), "4 7", canvas=canvas)["joins"]] == [4, 7]


def test_an_endless_canvas_is_measured_around():
    ring = edits.loop(Canvas(width=32, height=32, seconds=2, fps=8))
    assert measured(images(jump(9, 16)), canvas=ring)["loop"]["pixels"] > 100
    assert measured(images(jump(9, 16)))["loop"] is None


def test_a_file_is_measured_as_its_images_are(temp):
    path = temp / "clip.mkv"
    write_video(path, [jump(6)], 8, codec="ffv1")
    video = InputImpl.VideoFromFile(str(path))
    assert measured(video, "6", loop=True) == measured(images(jump(6)), "6", loop=True)


@pytest.mark.parametrize("text", ["six", "1.5", "-3", "9, x", "1" * 7])
def test_what_is_no_frame_number_is_refused(text):
    with pytest.raises(ConfigError, match="give frame numbers"):
        join_numbers(text)


def test_a_join_beyond_the_video_is_refused():
    with pytest.raises(SizeError, match="choose from 1 to 16"):
        measured(images(jump(9)), "17")
