"""Each edit node makes its canvas from any footage, or names the reason why not."""

from fractions import Fraction

import pytest
import torch
from comfy_api.latest import InputImpl, Types
from sora_nodes.nodes.canvas import SoraCanvas
from sora_nodes.nodes.place import SoraPlaceImage, SoraPlaceLatent, SoraPlaceVideo
from sora_nodes.nodes.spatial_edits import SoraEditVideo, SoraOutpaintVideo
from sora_nodes.nodes.temporal_edits import (
    SoraConnectVideos,
    SoraExtendVideo,
    SoraImageToVideo,
    SoraLoopVideo,
    SoraMorphVideos,
)
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.canvas.encode import encode_canvas
from sora_nodes.sora_core.canvas.rasterize import Fitting, first_frame, placed_frames
from sora_nodes.sora_core.errors import SoraError
from sora_nodes.sora_core.video.writer import write_video

pytestmark = pytest.mark.usefixtures("temp")


def counted(frames, width=32, height=32):
    """Frames whose grey is three times their number."""
    grey = torch.arange(frames).mul(3).to(torch.uint8)
    return grey[:, None, None, None].expand(-1, height, width, 3)


def file(folder, frames, fps, width=32, height=32):
    path = folder / f"{frames}_{float(fps):g}_{width}x{height}.mkv"
    write_video(path, [counted(frames, width, height)], fps, codec="ffv1")
    return InputImpl.VideoFromFile(str(path))


def components(frames, fps, width=32, height=32):
    images = counted(frames, width, height).float().div(255)
    return InputImpl.VideoFromComponents(
        Types.VideoComponents(images=images, audio=None, frame_rate=Fraction(fps))
    )


def ran(node, **inputs):
    """The canvas that `node` makes with the defaults of what is not given."""
    schema = node.define_schema()
    known = {
        arguments.id: arguments.default
        for arguments in schema.inputs
        if getattr(arguments, "default", None) is not None
    }
    return node.execute(**(known | inputs)).args[0]


def displayed(canvas):
    """For each placement, its first frame on the canvas and the numbers of the source's frames."""
    return [
        (
            first_frame(canvas, placement),
            [
                round(chunk[i, 16, 16, 0].item() / 3)
                for chunk in placed_frames(canvas, placement)
                for i in range(len(chunk))
            ],
        )
        for placement in canvas.placements
    ]


def size(canvas):
    return canvas.size.width, canvas.size.height, canvas.size.frames, canvas.fps


SOURCES = {
    "a file": lambda folder: file(folder, 9, 8),
    "components": lambda folder: components(9, 8),
    "a batch of images": lambda folder: counted(9).float().div(255),
    "images with transparency": lambda folder: torch.ones(9, 32, 32, 4).mul(
        torch.arange(9).mul(3 / 255)[:, None, None, None]
    ),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(
    "direction, start, frames", [("forward", 0, 13), ("backward", 4, 13), ("both", 4, 17)]
)
def test_extending_keeps_all_footage_and_adds_exactly_what_was_asked(
    source, direction, start, frames, temp
):
    canvas = ran(SoraExtendVideo, video=source(temp), seconds=0.5, direction=direction)
    assert size(canvas) == (32, 32, frames, 8)
    assert displayed(canvas) == [(start, list(range(9)))]


def test_only_what_lies_next_to_the_new_part_is_kept_if_so_asked(temp):
    clip = file(temp, 16, 8)
    forward = ran(SoraExtendVideo, video=clip, seconds=1.0, keep=0.5)
    assert displayed(forward) == [(0, [12, 13, 14, 15])]
    backward = ran(SoraExtendVideo, video=clip, seconds=1.0, keep=0.5, direction="backward")
    assert displayed(backward) == [(8, [0, 1, 2, 3])]
    assert size(forward) == size(backward) == (32, 32, 12, 8)


@pytest.mark.parametrize("make", [file, lambda folder, *rest: components(*rest)])
def test_footage_of_another_rate_keeps_its_pace(make, temp):
    canvas = Canvas(width=48, height=32, seconds=9.0, fps=8)
    output = ran(SoraExtendVideo, video=make(temp, 25, 24), seconds=1.0, canvas=canvas)
    assert size(output) == (48, 32, 16, 8)
    assert displayed(output) == [(0, [0, 3, 6, 9, 12, 15, 18, 21])]


@pytest.mark.parametrize("fps", [24, Fraction(30000, 1001), 60, Fraction(25, 2)])
def test_a_canvas_takes_the_rate_of_its_footage(fps, temp):
    output = ran(SoraExtendVideo, video=file(temp, 7, fps), seconds=0.0)
    assert output.size.frames == 7
    assert output.fps == pytest.approx(float(fps), abs=1e-6)
    assert displayed(output) == [(0, list(range(7)))]


@pytest.mark.parametrize("fps", [1, 8, 24, 60])
def test_one_frame_of_footage_is_enough(fps, temp):
    canvas = Canvas(width=32, height=32, fps=8)
    for video in (file(temp, 1, fps), components(1, fps), counted(1).float()):
        output = ran(SoraExtendVideo, video=video, seconds=1.0, canvas=canvas)
        displayed_frames = displayed(output)[0][1]
        assert set(displayed_frames) == {0}
        assert output.size.frames == 8 + len(displayed_frames)


def test_odd_sizes_come_out_exactly(temp):
    output = ran(SoraExtendVideo, video=file(temp, 5, 8, 37, 21), seconds=0.5)
    assert size(output) == (37, 21, 9, 8)


def test_two_videos_are_connected_across_exactly_the_time_asked_for(temp):
    output = ran(SoraConnectVideos, first=file(temp, 9, 8), second=components(5, 8), seconds=1.0)
    assert size(output) == (32, 32, 22, 8)
    assert displayed(output) == [(0, list(range(9))), (17, list(range(5)))]


def test_a_connection_keeps_the_end_of_the_first_and_the_start_of_the_second(temp):
    clips = {"first": file(temp, 9, 8), "second": file(temp, 12, 8)}
    output = ran(SoraConnectVideos, **clips, seconds=1.0, keep=0.5)
    assert displayed(output) == [(0, [5, 6, 7, 8]), (12, [0, 1, 2, 3])]


def test_a_morph_lays_the_end_of_one_over_the_start_of_the_other(temp):
    clips = {"first": file(temp, 17, 8), "second": file(temp, 20, 8)}
    output = ran(SoraMorphVideos, **clips, seconds=1.0, firmness=0.5)
    assert output.size.frames == 17 + 20 - 8
    (begin, first), (change, second) = displayed(output)
    assert (begin, first) == (0, list(range(17)))
    assert (change, second) == (13, list(range(4, 20)))  # half of the change has passed
    earlier, later = output.placements
    assert earlier.firmness_at(9 / 8) == 1
    assert earlier.firmness_at(13 / 8) == later.firmness_at(0) == 0.5
    assert later.firmness_at(4 / 8) == 1


def test_a_loop_through_footage_is_a_whole_number_of_latent_frames(temp):
    output = ran(SoraLoopVideo, video=file(temp, 9, 8), seconds=0.5)
    assert output.ring
    assert output.size.frames == 16
    assert output.grid().frames == 4
    assert displayed(output) == [(0, list(range(9)))]


def test_a_loop_without_footage_is_the_canvas_without_ends():
    output = ran(SoraLoopVideo, canvas=Canvas(width=32, height=32, seconds=2.0))
    assert output == Canvas(width=32, height=32, seconds=2.0, ring=True)


def test_an_image_begins_a_video_and_another_ends_it():
    first, last = torch.zeros(1, 20, 30, 3), torch.ones(1, 40, 40, 3).mul(15 / 255)
    output = ran(SoraImageToVideo, image=first, last_image=last, seconds=1.5)
    assert size(output) == (30, 20, 12, 8)
    assert displayed(output) == [(0, [0]), (11, [5])]


def openness(canvas, frame):
    """How open each pixel of a frame is by the only placement."""
    (placement,) = canvas.placements
    chunk = next(placed_frames(canvas, placement))
    rows, columns = canvas.height, canvas.width
    fitting = Fitting.of_placement(canvas, placement, tuple(chunk.shape[1:3]), (rows, columns))
    masks = fitting.openness(placement.mask)
    return masks[min(frame, len(masks) - 1)]


def test_an_edit_without_a_mask_generates_over_everything(temp):
    output = ran(SoraEditVideo, video=file(temp, 9, 8), firmness=0.25)
    assert openness(output, 3).unique().tolist() == [0.75]
    assert displayed(output) == [(0, list(range(9)))]


def test_an_edit_within_a_mask_and_a_span_of_time_leaves_the_rest(temp):
    mask = torch.zeros(1, 16, 16)
    mask[:, :8] = 1
    output = ran(
        SoraEditVideo, video=file(temp, 16, 8), firmness=0.0, mask=mask, start=0.5, seconds=1.0
    )
    for frame, opened in ((3, 0), (4, 1), (11, 1), (12, 0), (15, 0)):
        assert openness(output, frame)[:16].unique().tolist() == [opened], frame
        assert openness(output, frame)[16:].unique().tolist() == [0]


def test_a_mask_for_each_frame_follows_the_footage_at_another_rate(temp):
    mask = torch.zeros(24, 32, 32)
    mask[12:] = 1
    canvas = Canvas(width=32, height=32, fps=8)
    output = ran(SoraEditVideo, video=file(temp, 24, 24), firmness=0.0, mask=mask, canvas=canvas)
    assert [openness(output, i).max().item() for i in range(8)] == [0] * 4 + [1] * 4


def test_outpainting_adds_exactly_its_margins(temp):
    output = ran(SoraOutpaintVideo, video=file(temp, 5, 8), left=10, top=3, right=0, bottom=8)
    assert size(output) == (42, 43, 5, 8)
    opened = openness(output, 0)
    assert opened[3:35, 10:].max() == 0
    assert opened[:3].min() == opened[35:].min() == opened[:, :10].min() == 1


def test_outpainting_fits_the_footage_between_the_margins_of_a_canvas(temp):
    canvas = Canvas(width=64, height=32, fps=8)
    output = ran(SoraOutpaintVideo, video=file(temp, 5, 8), left=16, right=16, canvas=canvas)
    opened = openness(output, 0)
    assert opened[:, 16:48].max() == 0
    assert opened.sum() == 2 * 16 * 32


@pytest.mark.parametrize("edge, start", [("start", 4), ("end", 4)])
def test_footage_is_placed_from_either_end(edge, start, temp):
    canvas = Canvas(width=32, height=32, seconds=2.0)
    output = ran(
        SoraPlaceVideo, canvas=canvas, video=file(temp, 8, 8), start=0.5, counted_from=edge
    )
    assert displayed(output) == [(start, list(range(8)))]


def test_longer_footage_is_cut_at_the_ends_of_the_canvas(temp):
    canvas, clip = Canvas(width=32, height=32, seconds=1.0), file(temp, 24, 8)
    assert displayed(ran(SoraPlaceVideo, canvas=canvas, video=clip)) == [(0, list(range(8)))]
    early = ran(SoraPlaceVideo, canvas=canvas, video=clip, start=-1.0)
    assert displayed(early) == [(0, list(range(8, 16)))]


def test_a_part_of_footage_is_placed_at_another_speed(temp):
    canvas = Canvas(width=32, height=32, seconds=4.0)
    output = ran(
        SoraPlaceVideo, canvas=canvas, video=file(temp, 24, 8), skip=0.5, seconds=1.0, speed=2.0
    )
    assert displayed(output) == [(0, list(range(4, 20, 2)))]


def test_an_image_stands_still_for_as_long_as_asked_and_ends_with_the_canvas():
    canvas = Canvas(width=32, height=32, seconds=2.0)
    image = torch.ones(1, 32, 32, 3).mul(21 / 255)
    output = ran(SoraPlaceImage, canvas=canvas, image=image, seconds=0.5, counted_from="end")
    assert displayed(output) == [(12, [7] * 4)]


def test_a_node_has_a_picture_of_its_canvas_that_the_page_does_not_show_again(temp):
    result = SoraCanvas.execute("custom", 64, 64, 2.0, 8.0)
    (file,) = result.ui.pop("canvas")
    assert result.ui == {}
    assert (temp / file["subfolder"] / file["filename"]).exists()


CANVAS = Canvas(width=32, height=32, seconds=1.0)
IMAGES = torch.zeros(8, 32, 32, 3)
MISTAKES = {
    "too small": (SoraExtendVideo, {"video": torch.zeros(8, 8, 8, 3)}, "width 8 px"),
    "too long": (SoraExtendVideo, {"video": IMAGES, "seconds": 3000.0}, "frames"),
    "an unknown direction": (SoraExtendVideo, {"video": IMAGES, "direction": "up"}, "direction"),
    "an unknown fit": (SoraExtendVideo, {"video": IMAGES, "fit": "tile"}, "fit"),
    "a change longer than the footage": (
        SoraMorphVideos,
        {"first": IMAGES, "second": IMAGES, "seconds": 2.0},
        "at most 1",
    ),
    "a loop of nothing": (SoraLoopVideo, {}, "connect"),
    "a mask of another length": (
        SoraEditVideo,
        {"video": IMAGES, "mask": torch.zeros(5, 8, 8)},
        "mask of 5",
    ),
    "an edit after the end": (SoraEditVideo, {"video": IMAGES, "start": 1.0}, "earlier"),
    "no room between margins": (
        SoraOutpaintVideo,
        {"video": IMAGES, "left": 32, "canvas": CANVAS},
        "margins",
    ),
    "nothing left of the footage": (
        SoraPlaceVideo,
        {"video": IMAGES, "canvas": CANVAS, "skip": 1.0},
        "skip less",
    ),
    "footage after the canvas": (
        SoraPlaceVideo,
        {"video": IMAGES, "canvas": CANVAS, "start": 2.0},
        "outside",
    ),
    "several latents": (
        SoraPlaceLatent,
        {"latent": {"samples": torch.zeros(2, 16, 3, 4, 4)}, "canvas": CANVAS},
        "^latent: 2 latents in one batch",
    ),
    "a latent without time": (
        SoraPlaceLatent,
        {"latent": {"samples": torch.zeros(1, 16, 8)}, "canvas": CANVAS},
        "^latent: ",
    ),
}


@pytest.mark.parametrize("node, inputs, message", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_answered_with_one_sentence(node, inputs, message):
    with pytest.raises(SoraError, match=message) as refused:
        displayed(ran(node, **inputs))
    assert len(str(refused.value)) <= 200


@pytest.mark.parametrize("text", ["0: 1, 1.5: 0.25", "0:1;1.5:.25", " 0 : 1\n1.5 : 0.25 "])
def test_a_curve_of_firmness_takes_the_place_of_the_number(text, temp):
    canvas = Canvas(width=32, height=32, seconds=2.0, fps=8)
    output = ran(SoraPlaceVideo, canvas=canvas, video=file(temp, 16, 8), firmness=0.0, curve=text)
    assert [output.placements[0].firmness_at(t) for t in (0, 0.75, 3)] == [1, 0.625, 0.25]


@pytest.mark.parametrize("text", ["1", "0: firm", "1: 1, 0: 1", "0: 2"])
def test_a_curve_that_says_nothing_is_refused(text, temp):
    canvas = Canvas(width=32, height=32, seconds=2.0, fps=8)
    with pytest.raises(SoraError, match=r"curve|firmness"):
        ran(SoraPlaceVideo, canvas=canvas, video=file(temp, 16, 8), curve=text)


def test_a_latent_is_placed_as_it_is():
    canvas = Canvas(width=32, height=32, seconds=2.0, fps=8)
    samples = torch.randn(1, 16, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    output = ran(SoraPlaceLatent, canvas=canvas, latent={"samples": samples})
    encoded = encode_canvas(output, lambda chunks: chunks, 16)
    assert torch.equal(encoded.known[:, :, :3], samples)
    assert encoded.mask[0, 0, :, 0, 0].tolist() == [0, 0, 0, 1, 1]
    assert output.placements[0].lasts(8) == 9 / 8
