"""The joins of generated and known frames on a canvas, and its preserved frames."""

import pytest
import torch

from sora_core.canvas import edits
from sora_core.canvas.canvas import Canvas, Placement
from sora_core.canvas.encode import openness
from sora_core.measure.seams import canvas_joins, preserved_frames
from sora_core.shapes import Compression

EMPTY = Canvas(width=32, height=32, seconds=17 / 8, fps=8)


def footage(frames):
    return torch.zeros(frames, 32, 32, 3, dtype=torch.uint8)


@pytest.mark.parametrize(
    "canvas, expected",
    [
        (EMPTY, ()),
        (edits.image_to_video(EMPTY, footage(1)), (1,)),
        (edits.extend_forward(EMPTY, footage(9)), (9,)),
        (edits.extend_backward(EMPTY, footage(8), 1), (9,)),
        (edits.connect(EMPTY, footage(5), footage(4), 5 / 8, 4 / 8), (5, 13)),
        (edits.extend_both(EMPTY, footage(4), 4 / 8), (5, 9)),
        (edits.video_to_video(EMPTY, footage(17), 0.5), ()),
        (edits.extend_forward(EMPTY, footage(17)), ()),
    ],
)
def test_joins_are_where_something_new_begins(canvas, expected):
    assert canvas_joins(canvas) == expected


def test_footage_counts_in_whole_latent_frames():
    assert canvas_joins(edits.extend_forward(EMPTY, footage(11))) == (9,)
    assert canvas_joins(edits.extend_forward(EMPTY, footage(11)), Compression(2, 8, 8)) == (11,)


def test_a_hole_that_opens_half_way_is_a_join():
    hole = torch.zeros(1, 32, 32)
    hole[:, :16] = 1
    assert canvas_joins(edits.inpaint(EMPTY, footage(17), hole, start=9 / 8)) == (9,)


def test_the_wrap_of_a_ring_is_no_join_of_its_own():
    ring = edits.loop(Canvas(width=32, height=32, seconds=2, fps=8), footage(8))
    assert canvas_joins(ring) == (8,)


def test_kept_frames_are_those_before_or_after_a_join():
    def preserved(canvas):
        return preserved_frames(canvas, openness(canvas))

    assert preserved(edits.extend_forward(EMPTY, footage(9))) == tuple(range(9))
    assert preserved(edits.extend_backward(EMPTY, footage(8), 1)) == tuple(range(9, 17))
    assert preserved(EMPTY.place(Placement(source=footage(17), firmness=0.9))) == ()
