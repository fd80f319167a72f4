"""Generated frames after footage begin in its colours, and end in their own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sora_core.canvas import edits
from sora_core.canvas.canvas import Box, Canvas
from sora_core.canvas.encode import openness
from sora_core.seams.colour_fade import (
    FADED_FRAMES,
    FADED_SHARE,
    ColourFade,
    colour_fades,
    fade_colours,
)

CANVAS = Canvas(width=32, height=32, seconds=17 / 8)
LEVEL = 2 / 255


def clip(frames):
    return torch.zeros(frames, 32, 32, 3, dtype=torch.uint8)


def found_on(canvas):
    return colour_fades(canvas, openness(canvas))


def test_it_is_found_where_generated_frames_follow_footage_that_is_kept():
    assert found_on(edits.extend_forward(CANVAS, clip(9))) == [ColourFade(9, 8)]
    assert found_on(edits.image_to_video(CANVAS, clip(1))) == [ColourFade(1, 16)]
    between = edits.connect(CANVAS, clip(5), clip(4), 5 / 8, 4 / 8)
    assert found_on(between) == [ColourFade(5, 8)]


@pytest.mark.parametrize(
    "canvas",
    [
        CANVAS,
        edits.extend_backward(CANVAS, clip(8), 1.0),
        edits.video_to_video(CANVAS, clip(17), 0.5),
        edits.outpaint(CANVAS, clip(17), Box(8, 0, 16, 32)),
    ],
    ids=["nothing", "backward", "regenerated", "a wider view"],
)
def test_it_is_found_nowhere_else(canvas):
    assert found_on(canvas) == []


def grey(levels):
    """A video whose frames are of these levels."""
    return (torch.tensor(levels) * LEVEL - 1).view(1, 1, -1, 1, 1).expand(-1, 3, -1, 4, 4)


def levels_of(video):
    return ((video[0, 0, :, 0, 0] + 1) / LEVEL).tolist()


@settings(deadline=None)
@given(st.integers(1, 7), st.integers(1, 12), st.integers(1, 20))
def test_the_step_is_halved_and_comes_back_little_by_little(length, generated, at):
    video = grey([100.0] * at + [103.0] * generated + [103.0] * 3)
    result = torch.cat(
        list(fade_colours(video.split(length, dim=2), [ColourFade(at, generated)])), dim=2
    )
    moved = torch.tensor(levels_of(video)) - torch.tensor(levels_of(result))
    assert result.shape == video.shape
    assert moved[at].item() == pytest.approx(3 * FADED_SHARE, abs=1e-3)
    fading = moved[at : at + min(FADED_FRAMES, generated) + 1]
    assert (fading.diff() < 0).all() and fading[-1].abs() < 1e-3
    assert torch.equal(result[:, :, :at], video[:, :, :at])
    assert torch.equal(result[:, :, at + generated :], video[:, :, at + generated :])


def test_what_is_another_thing_altogether_moves_by_two_levels_at_most():
    video = grey([20.0, 200.0, 200.0])
    result = torch.cat(list(fade_colours([video], [ColourFade(1, 2)])), dim=2)
    assert levels_of(result)[1] == pytest.approx(198, abs=1e-3)


def test_without_footage_every_chunk_passes_unchanged():
    chunks = [grey([1.0]), grey([2.0, 3.0])]
    assert all(a is b for a, b in zip(chunks, fade_colours(chunks, []), strict=True))
