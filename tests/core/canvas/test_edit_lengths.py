"""How long each edit is and where its footage lies: `tests/edits.json`, which the page shares."""

import json
from dataclasses import replace
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
BLANK = Canvas(width=SIDE, height=SIDE, seconds=9, fps=FPS)


def media(seconds, width=SIDE):
    frames = torch.zeros(round(seconds * FPS), SIDE, width, 3, dtype=torch.uint8)
    placement = Placement(source=frames, fps=FPS)
    return Media(placement=placement, width=width, height=SIDE, fps=FPS, seconds=seconds)


def edited(case):
    """The canvas of a case."""
    values, clips = (
        dict(case["values"]),
        {name: media(each) for name, each in case["clips"].items()},
    )
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
            return edits.edit_media(clips["video"], **values)
        case "SoraPlaceVideo":
            values["edge"] = values.pop("counted_from", "start")
            return BLANK.place(edits.media_placement(clips["video"], BLANK, **values))
        case "SoraPlaceImage":
            values["edge"] = values.pop("counted_from", "start")
            image = clips["image"].placement.source[:1]
            return BLANK.place(edits.still_placement(image, BLANK, **values))


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
    canvas = edits.extend_media(replace(media(1.0), like=like), 0.5, direction)
    assert (canvas.width, canvas.height, canvas.fps) == (64, 48, 16)
    assert canvas.seconds == (2.0 if direction == "both" else 1.5)


def test_an_edit_that_footage_cannot_make_is_refused():
    with pytest.raises(ConfigError, match=r"at most 0\.5, which the shorter footage lasts"):
        edits.morph_media(media(1.0), media(0.5), 0.75)
    with pytest.raises(ConfigError, match="start earlier"):
        edits.edit_media(media(1.0), 0.0, start=1.0)
    with pytest.raises(ConfigError, match="mask of 3 pictures for footage of 8 frames"):
        edits.edit_media(media(1.0), 0.0, mask=torch.ones(3, 4, 4))
    with pytest.raises(ConfigError, match="choose smaller ones"):
        small = Canvas(width=32, height=32)
        edits.outpaint_media(replace(media(1.0), like=small), (16, 0, 16, 0))
    with pytest.raises(ConfigError, match="skip less"):
        edits.media_placement(media(1.0), BLANK, skip=1.0)
    with pytest.raises(ConfigError, match="choose one of start, end"):
        edits.media_placement(media(1.0), BLANK, edge="middle")
    with pytest.raises(ConfigError, match="choose one of forward, backward, both"):
        edits.extend_media(media(1.0), 1.0, "sideways")


def test_an_edit_opens_what_its_mask_marks_and_what_its_footage_leaves_transparent():
    canvas, mask = media(1.0).canvas(), torch.zeros(8, 4, 4)
    mask[:, 0], hole = 0.75, torch.zeros(3, 4, 4)
    hole[:, :, 0] = 0.5
    clip = replace(media(1.0).on(canvas), mask=mask)
    opened = edits.inpaint(canvas, clip, hole, start=0.25, seconds=0.375).placements[0].mask
    inside = torch.zeros(8, 4, 4)
    inside[2:5, :, 0] = 0.5
    assert torch.equal(opened, torch.maximum(mask, inside))


def test_a_mask_of_each_frame_counts_from_the_start_of_the_footage():
    mask = torch.arange(8.0)[:, None, None] / 8
    opened = edits.edit_media(media(1.0), 0.5, start=0.25, mask=mask).placements[0].mask
    assert opened[:, 0, 0].tolist() == [0.0, 0.0, *(value / 16 for value in range(2, 8))]
