"""The plot of steps, and the comparison of preserved footage with its canvas."""

import pytest
import torch

from sora_core.canvas import edits
from sora_core.canvas.canvas import Canvas
from sora_core.canvas.encode import openness
from sora_core.measure.drift import placed_psnr
from sora_core.measure.seams import JOIN_COLOUR, Seams, preserved_frames, seam_plot, steps

EMPTY = Canvas(width=32, height=32, seconds=17 / 8, fps=8)


def noise(frames, seed=0):
    torch.manual_seed(seed)
    return torch.randint(40, 200, (frames, 32, 32, 3), dtype=torch.uint8)


def red_columns(seams):
    picture = seam_plot(seams)
    field = (picture[20:100] == torch.tensor(JOIN_COLOUR, dtype=torch.uint8)).all(-1)
    return (field.sum(0) > 30).nonzero().flatten().tolist()


def test_every_join_is_marked_where_it_is():
    measured = steps([noise(9)])
    assert red_columns(Seams(measured)) == []
    (early,) = red_columns(Seams(measured, (2,)))
    (late,) = red_columns(Seams(measured, (7,)))
    assert early < late
    assert red_columns(Seams(measured, (2, 7))) == [early, late]


def test_the_wrap_of_a_loop_is_marked_at_the_end():
    (wrap,) = red_columns(Seams(steps([noise(9)], loop=True), (), loop=True))
    assert wrap > 600


@pytest.mark.parametrize("make", ["forward", "backward", "both"])
def test_kept_footage_is_compared_where_it_lies_and_only_there(make):
    clip = noise(8)
    canvas, at = {
        "forward": (edits.extend_forward(EMPTY, clip[:5]), slice(0, 5)),
        "backward": (edits.extend_backward(EMPTY, clip, 1), slice(9, 17)),
        "both": (edits.connect(EMPTY, clip[:5], clip[:4], 5 / 8, 4 / 8), slice(0, 5)),
    }[make]
    preserved = preserved_frames(canvas, openness(canvas))
    result = noise(17, seed=1)
    result[at] = clip[: at.stop - at.start]
    if make == "both":
        result[13:] = clip[:4]
    assert placed_psnr(canvas, lambda: result.split(3), preserved) == 120
    generated = [t for t in range(17) if t not in preserved]
    result[generated] = 0
    assert placed_psnr(canvas, lambda: result.split(3), preserved) == 120
    result[preserved[0]] += 10
    assert placed_psnr(canvas, lambda: result.split(3), preserved) < 60


def test_where_nothing_is_kept_there_is_nothing_to_compare():
    canvas = edits.video_to_video(EMPTY, noise(17), 0.5)
    assert (
        placed_psnr(canvas, lambda: [noise(17)], preserved_frames(canvas, openness(canvas))) is None
    )
