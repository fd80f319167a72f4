"""Each edit preserves its footage at the right time and place, and opens the rest."""

import pytest
import torch
from PIL import Image

from sora_core.canvas import edits
from sora_core.canvas.canvas import Box, Canvas
from sora_core.canvas.encode import encode_canvas

CANVAS = Canvas(width=32, height=32, seconds=17 / 8, fps=8)
FIRST, LAST = 10, 20  # the grey of two clips


def clip(frames, grey=FIRST):
    return torch.full((frames, 32, 32, 3), grey, dtype=torch.uint8)


def grey(chunks):
    """An autoencoder that remembers the grey of the last frame each latent frame stands for."""
    video = torch.cat(list(chunks), dim=2).add(1).mul(127.5)
    count = 1 + -(-(video.shape[2] - 1) // 4)
    last = [min(4 * j, video.shape[2] - 1) for j in range(count)]
    yield video[:, :1, last, ::8, ::8]


def encoded(canvas):
    encoded = encode_canvas(canvas, grey, 1)
    known, mask = encoded.known, encoded.mask
    return known[0, 0, :, 0, 0].round().tolist(), mask[0, 0, :, 0, 0].tolist()


EDITS = {
    "image to video": (edits.image_to_video(CANVAS, clip(1)), [10, 0, 0, 0, 0]),
    "key frames": (
        edits.key_frames(CANVAS, [(0.0, clip(1)), (CANVAS.last, clip(1, LAST))]),
        [10, 0, 0, 0, 20],
    ),
    "extend forward": (edits.extend_forward(CANVAS, clip(9)), [10, 10, 10, 0, 0]),
    "extend backward": (edits.extend_backward(CANVAS, clip(8), 1.0), [0, 0, 0, 10, 10]),
    "extend both": (edits.extend_both(CANVAS, clip(9), 9 / 8), [0, 0, 10, 10, 0]),
    "connect": (
        edits.connect(CANVAS, clip(5), clip(4, LAST), 5 / 8, 4 / 8),
        [10, 10, 0, 0, 20],
    ),
    "loop, free": (edits.loop(Canvas(width=32, height=32, seconds=2)), [0, 0, 0, 0]),
    "loop through a clip": (
        edits.loop(Canvas(width=32, height=32, seconds=2), clip(8)),
        [10, 10, 0, 0],
    ),
}


@pytest.mark.parametrize("canvas, preserved", EDITS.values(), ids=EDITS)
def test_an_edit_keeps_its_footage_and_opens_the_rest(canvas, preserved):
    known, mask = encoded(canvas)
    assert known == preserved
    assert mask == [float(value == 0) for value in preserved]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_picture_file_is_placed_like_its_pixels_whatever_its_name(tmp_path, form):
    path = tmp_path / "still.of.me"
    Image.fromarray(clip(1)[0].numpy()).save(path, form)
    for canvas in (
        edits.image_to_video(CANVAS, path),
        edits.key_frames(CANVAS, [(0.0, path)]),
    ):
        assert encoded(canvas) == ([10, 0, 0, 0, 0], [0, 1, 1, 1, 1])


def test_a_morph_is_firm_at_the_ends_and_soft_in_the_middle():
    canvas = Canvas(width=32, height=32, seconds=33 / 8)
    known, mask = encoded(edits.morph(canvas, clip(33), clip(33, LAST), 2.0, firmness=0.5))
    assert known[:5] == [FIRST] * 5
    assert known[5:] == [LAST] * 4
    assert mask[:3] == [0, 0, 0]
    assert mask[-2:] == [0, 0]
    assert 0 < mask[3] < mask[4] <= 0.5
    assert 0.5 >= mask[5] > mask[6] > 0


def test_a_hole_in_space_and_time_is_open_and_all_else_is_kept():
    mask = torch.zeros(1, 32, 32)
    mask[..., 16:, :16] = 1
    hole = edits.inpaint(CANVAS, clip(17), mask, start=5 / 8, seconds=8 / 8)
    openness = encode_canvas(hole, grey, 1).mask[0, 0]
    expected = torch.zeros(5, 4, 4)
    expected[2:4, 2:, :2] = 1
    assert torch.equal(openness, expected)


def test_outpainting_opens_what_lies_around():
    openness = encode_canvas(edits.outpaint(CANVAS, clip(17), Box(16, 0, 16, 16)), grey, 1).mask
    expected = torch.ones(4, 4)
    expected[:2, 2:] = 0
    assert torch.equal(openness[0, 0], expected.expand(5, -1, -1))


def test_video_to_video_starts_from_footage_noised_as_far_as_it_is_not_firm():
    known, mask = encoded(edits.video_to_video(CANVAS, clip(17), firmness=0.25))
    assert known == [FIRST] * 5
    assert mask == [0.75] * 5


def test_each_prompt_of_a_storyboard_lasts_until_the_next():
    spans = edits.place_storyboard(
        CANVAS, [(0.0, "a ball"), (0.5, "a cube"), (1.5, "a cone")]
    ).prompts
    assert [(span.prompt, span.start, span.end) for span in spans] == [
        ("a ball", 0.0, 0.5),
        ("a cube", 0.5, 1.5),
        ("a cone", 1.5, None),
    ]
