"""A canvas is exactly what was asked for, whatever the grid that covers it."""

from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from sora_core.canvas.canvas import ASPECTS, Canvas, shaped
from sora_core.errors import SizeError
from sora_core.shapes import COMPRESSION, MAX_SIDE, MIN_SIDE, Size

SIDES = some.integers(MIN_SIDE, MAX_SIDE)


@settings(deadline=None)  # the machine may be busy
@given(SIDES, SIDES, some.floats(0, 15), some.floats(0.5, 240))
def test_the_grid_covers_the_canvas(width, height, seconds, fps):
    canvas = Canvas(width=width, height=height, seconds=seconds, fps=fps)
    frames, rows, columns = COMPRESSION.covered(canvas.grid())
    assert canvas.size == Size(width, height, max(1, round(seconds * fps)))
    assert frames >= canvas.size.frames
    assert rows >= height
    assert columns >= width


def test_no_seconds_are_a_single_image():
    assert Canvas(width=64, height=64, seconds=0.0).size.frames == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 15},
        {"height": 4097},
        {"seconds": -1.0},
        {"seconds": nan},
        {"seconds": inf},
        {"fps": 0.0},
        {"fps": nan},
        {"seconds": 3600.0, "fps": 8.0},
    ],
)
def test_what_no_canvas_can_be_is_refused(wrong):
    with pytest.raises(SizeError):
        Canvas(**({"width": 64, "height": 64} | wrong))


@settings(deadline=None)
@given(some.sampled_from(sorted(ASPECTS)), some.integers(64, 2048), some.integers(64, 2048))
def test_a_shape_keeps_the_pixels_and_has_the_ratio(aspect, width, height):
    wide, high = shaped(aspect, width, height)
    assert wide % 2 == high % 2 == 0
    assert abs(wide / high / ASPECTS[aspect] - 1) < 4 / min(wide, high)
    assert abs(wide * high / (width * height) - 1) < 4 / min(wide, high)


def test_the_shape_of_full_hd_is_full_hd():
    assert shaped("16:9", 1440, 1440) == (1920, 1080)


def test_an_unknown_shape_is_refused():
    with pytest.raises(SizeError):
        shaped("2:1", 64, 64)
