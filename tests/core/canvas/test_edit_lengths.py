"""How long each edit is and where its footage lies: `tests/edits.json`, which the page shares."""

import json
from pathlib import Path

import pytest
import torch

from sora_core.canvas import edits
from sora_core.canvas.canvas import Canvas, Placement
from sora_core.canvas.media import Media
from sora_core.canvas.rasterize import placed_frames
from sora_core.errors import ConfigError

CASES = json.loads((Path(__file__).resolve().parents[2] / "edits.json").read_text("utf-8"))
FPS, SIDE = 8.0, 32


def media(seconds, width=SIDE):
    frames = torch.zeros(round(seconds * FPS), SIDE, width, 3, dtype=torch.uint8)
    placement = Placement(source=frames, fps=FPS)
    return Media(placement=placement, width=width, height=SIDE, fps=FPS, seconds=seconds)


def edited(case):
    """The canvas of a case."""
    values, clips = case["values"], {name: media(each) for name, each in case["clips"].items()}
    match case["node"]:
        case "SoraExtendVideo":
            return edits.extend_media(clips["video"], **values)
        case "SoraConnectVideos":
            return edits.connect_media(clips["first"], clips["second"], **values)
        case "SoraMorphVideos":
            return edits.morph_media(clips["first"], clips["second"], **values)
        case "SoraLoopVideo":
            return edits.loop_media(clips["video"], **values)
        case "SoraImageToVideo":
            last = clips.get("last_image")
            return edits.video_from_image(clips["image"], last=last and last.placement, **values)
        case "SoraOutpaintVideo":
            sides = (values[side] for side in ("left", "top", "right", "bottom"))
            return edits.outpaint_media(clips["video"], tuple(sides))
        case "SoraEditVideo":
            clip, start, seconds = clips["video"], values["start"], values["seconds"] or None
            blank = clip.canvas(None)
            assert edits.frames_to_change(blank, start) == blank.size.frames - round(start * FPS)
            return edits.inpaint(blank, clip.on(blank), torch.ones(1, 1, 1), start, seconds)


def bar(canvas, placement):
    """Start and end of a placement, in seconds of the canvas."""
    lasts = sum(len(chunk) for chunk in placed_frames(canvas, placement)) / canvas.fps
    return [placement.start, placement.start + lasts]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_an_edit_is_as_long_as_the_table_says_and_its_footage_lies_there(case):
    canvas = edited(case)
    assert canvas.seconds == pytest.approx(case["seconds"])
    assert canvas.ring == case.get("ring", False)
    starts = [placement.start for placement in canvas.placements]
    if case["node"] == "SoraMorphVideos":  # the second takes over in the middle of the change
        assert starts[1] == pytest.approx(case["bars"][1][0] + case["values"]["seconds"] / 2)
        return
    bars = [bar(canvas, placement) for placement in canvas.placements]
    assert bars == [pytest.approx(each) for each in case["bars"]]
    if "open" in case:
        opened = canvas.placements[0].mask.flatten(1).amax(1).nonzero().flatten()
        first, end = case["open"]
        assert opened[0] / FPS == first
        assert (end == case["seconds"]) or (opened[-1] + 1) / FPS == end


@pytest.mark.parametrize("direction", edits.DIRECTIONS)
def test_a_canvas_sets_size_and_rate_of_an_edit_and_not_its_length(direction):
    like = Canvas(width=64, height=48, seconds=9, fps=16)
    canvas = edits.extend_media(media(1.0), 0.5, direction, like=like)
    assert (canvas.width, canvas.height, canvas.fps) == (64, 48, 16)
    assert canvas.seconds == (2.0 if direction == "both" else 1.5)


def test_an_edit_that_footage_cannot_make_is_refused():
    with pytest.raises(ConfigError, match=r"at most 0\.5, which the shorter footage lasts"):
        edits.morph_media(media(1.0), media(0.5), 0.75)
    with pytest.raises(ConfigError, match="start earlier"):
        edits.frames_to_change(media(1.0).canvas(None), 1.0)
    with pytest.raises(ConfigError, match="choose smaller ones"):
        edits.outpaint_media(media(1.0), (16, 0, 16, 0), like=Canvas(width=32, height=32))
    with pytest.raises(ConfigError, match="choose one of forward, backward, both"):
        edits.extend_media(media(1.0), 1.0, "sideways")
