"""The command places what it is told, and says in one line what it cannot."""

from argparse import ArgumentParser

import pytest
import torch
from PIL import Image

from sora_core import __main__
from sora_core.canvas.canvas import PromptSpan
from sora_core.cli.generate import add_arguments, placed_footage
from sora_core.errors import ConfigError, MediaError
from sora_core.video.probe import probe
from sora_core.video.still import read_still
from sora_core.video.writer import write_video
from tests.support.tiny import write_tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    frames = torch.full((8, 32, 48, 3), 90, dtype=torch.uint8)
    write_video(folder / "clip.mp4", [frames], 8)
    Image.new("RGB", (48, 32), (250, 0, 0)).save(folder / "red.png")
    write_tiny(folder)
    return folder


def canvas(*arguments):
    parser = ArgumentParser()
    add_arguments(parser)
    return placed_footage(parser.parse_args(["a ball", *map(str, arguments)]), 8.0)


def test_images_lie_at_both_ends(folder):
    result = canvas("--first", folder / "red.png", "--last", folder / "red.png")
    assert [placement.start for placement in result.placements] == [0, 15 / 8]
    assert result.seconds == 2


def test_seconds_are_added_to_what_is_extended(folder):
    forward = canvas("--extend", folder / "clip.mp4", "--seconds=1")
    backward = canvas("--extend", folder / "clip.mp4", "--seconds=1", "--backward")
    assert (forward.seconds, forward.placements[0].start) == (2, 0)
    assert (backward.seconds, backward.placements[0].start) == (2, 1)


def test_backward_without_a_video_is_refused():
    with pytest.raises(ConfigError, match="add --extend VIDEO"):
        canvas("--backward")


def test_an_edit_lasts_as_long_as_its_video(folder):
    result = canvas("--edit", folder / "clip.mp4", "--firmness=0.3")
    assert (result.seconds, result.placements[0].firmness) == (1, 0.3)


def test_a_loop_has_whole_latent_frames(folder):
    result = canvas("--loop", "--seconds=1.1")
    assert (result.ring, result.size.frames, result.grid().frames) == (True, 12, 3)


def test_a_storyboard_lies_on_the_canvas():
    result = canvas("--storyboard", "0-1s: a red ball; 1-2s: a blue cube")
    assert result.prompts == (
        PromptSpan(prompt="a red ball", end=1.0),
        PromptSpan(prompt="a blue cube", start=1.0),
    )


def test_the_command_paints_around_what_is_placed(folder, capsys):
    out = folder / "out.mp4"
    arguments = [
        f"--model={folder / 'tiny.safetensors'}",
        f"--out={out}",
        "--steps=1",
        "--size=32x32",
    ]
    more = ["--extend", str(folder / "clip.mp4"), "--seconds=1", "--footage-guidance=2"]
    assert __main__.main(["generate", "a ball", *arguments, *more]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert probe(out).frames == 16


@pytest.mark.parametrize(
    "wrong",
    [
        ["a ball", "--first=/nowhere.png"],
        ["a ball", "--extend=/nowhere.mp4"],
        ["a ball", "--storyboard=0-1s: a ball"],
        [],
    ],
)
def test_a_mistake_is_one_line(folder, capsys, wrong):
    arguments = [
        f"--model={folder / 'tiny.safetensors'}",
        f"--out={folder / 'no.mp4'}",
        "--steps=1",
    ]
    assert __main__.main(["generate", *wrong, *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (folder / "no.mp4").exists()


def test_a_still_is_its_pixels_upright_on_black(tmp_path):
    image = Image.new("RGBA", (3, 2), (200, 100, 50, 255))
    image.putpixel((0, 0), (255, 255, 255, 0))
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    image.save(tmp_path / "still.png", exif=exif)
    frames = read_still(tmp_path / "still.png")
    assert frames.shape == (1, 3, 2, 3)
    assert frames[0, 0, 1].tolist() == [0, 0, 0]
    assert frames[0, 2, 1].tolist() == [200, 100, 50]


def huge(path):
    Image.new("1", (9000, 2)).save(path)


def cut(path):
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:900])


@pytest.mark.parametrize(
    "spoil, summary",
    [
        (huge, "8192 px"),
        (cut, "cannot be read"),
        (lambda path: path.write_bytes(b"GIF89a"), "PNG, JPEG, WEBP"),
        (lambda path: path.mkdir(), "not a file"),
    ],
)
def test_a_file_that_is_no_picture_within_the_limits_is_refused(tmp_path, spoil, summary):
    spoil(tmp_path / "still.png")
    with pytest.raises(MediaError, match=summary):
        read_still(tmp_path / "still.png")
