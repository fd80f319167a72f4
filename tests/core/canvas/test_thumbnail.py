"""The picture of a canvas shows footage where it lies, and only there."""

from dataclasses import replace

import torch

from sora_core.canvas.canvas import Box, Canvas, Placement, PromptSpan
from sora_core.canvas.thumbnail import BAND, EDGE, OPEN, RING, WIDTH, picture

CANVAS = Canvas(width=64, height=64, seconds=4.0)
CLIP = torch.zeros(8, 64, 64, 3, dtype=torch.uint8)
SECOND = (WIDTH - 2 * EDGE) // 4


def covered(canvas):
    """Where in the band something lies."""
    band = picture(canvas)[EDGE : EDGE + BAND, EDGE : WIDTH - EDGE].int()
    return (band != torch.tensor(OPEN)).any(-1)


def test_an_empty_canvas_is_open_everywhere():
    assert not covered(CANVAS).any()


def test_footage_covers_its_seconds_and_its_region():
    placed = CANVAS.place(Placement(source=CLIP, start=2.0, region=Box(0, 32, 64, 32)))
    expected = torch.zeros(BAND, WIDTH - 2 * EDGE, dtype=torch.bool)
    expected[BAND // 2 :, 2 * SECOND : 3 * SECOND] = True
    assert torch.equal(covered(placed), expected)


def test_footage_that_does_not_count_is_not_seen():
    assert not covered(CANVAS.place(Placement(source=CLIP, firmness=0.0))).any()


def test_a_prompt_is_written_in_its_span():
    without, texts = (
        picture(CANVAS),
        picture(CANVAS.add_prompts(PromptSpan(prompt="a ball", start=2.0))),
    )
    lane = texts[EDGE + BAND : EDGE + BAND + 16]
    assert texts.shape[0] > without.shape[0]
    assert lane[:, EDGE + 2 * SECOND :].float().std() > 0
    assert lane[:, : EDGE + 2 * SECOND].float().std(dim=(0, 1)).max() == 0


def test_a_ring_has_coloured_ends():
    assert picture(replace(CANVAS, ring=True))[EDGE, EDGE - 1].tolist() == list(RING)
    assert picture(CANVAS)[EDGE, EDGE - 1].tolist() != list(RING)


def test_what_a_mask_opens_looks_open():
    hole = torch.zeros(1, 16, 16)
    hole[:, :8] = 1
    canvas = Canvas(width=64, height=64, seconds=2.0)
    images = torch.zeros(16, 64, 64, 3)
    masked = picture(canvas.place(Placement(source=images, mask=hole)))
    plain, empty = picture(canvas.place(Placement(source=images))), picture(canvas)
    middle = EDGE + BAND // 2
    assert torch.equal(masked[:middle], empty[:middle])
    assert torch.equal(masked[middle:], plain[middle:])
