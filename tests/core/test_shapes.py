import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sora_core.errors import SizeError
from sora_core.shapes import COMPRESSION, MAX_FRAMES, MAX_SIDE, MIN_SIDE, Size, crop

sides = st.integers(MIN_SIDE, MAX_SIDE)
lengths = st.integers(1, MAX_FRAMES)


@given(sides, sides, lengths)
def test_the_grid_covers_what_is_asked_and_no_smaller_one_does(width, height, frames):
    size = Size(width, height, frames)
    grid = COMPRESSION.grid(size)
    result = COMPRESSION.covered(grid)
    asked = (frames, height, width)
    steps = (COMPRESSION.time, 2 * COMPRESSION.rows, 2 * COMPRESSION.columns)
    assert all(
        have >= want > have - step for have, want, step in zip(result, asked, steps, strict=True)
    )


@given(st.integers(16, 80), st.integers(16, 80), st.integers(1, 20))
def test_cropping_what_the_grid_decodes_to_gives_exactly_the_size(width, height, frames):
    size = Size(width, height, frames)
    video = torch.zeros(3, *COMPRESSION.covered(COMPRESSION.grid(size)))
    assert crop(video, size).shape == (3, frames, height, width)


@given(st.integers(1, 900))
def test_latent_frames_and_pixel_frames_agree(latent_frames):
    assert COMPRESSION.latent_frames(COMPRESSION.pixel_frames(latent_frames)) == latent_frames


@pytest.mark.parametrize(
    "width, height, frames", [(15, 64, 1), (64, 4097, 1), (64, 64, 0), (64, 64, 3601)]
)
def test_a_size_out_of_range_is_named_with_its_limit(width, height, frames):
    with pytest.raises(SizeError, match=r"choose from \d+ to \d+"):
        Size(width, height, frames)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 241])
def test_a_frame_rate_out_of_range_is_refused(fps):
    with pytest.raises(SizeError, match="fps"):
        Size.of_duration(64, 64, 1, fps)


def test_zero_seconds_are_an_image():
    assert Size.of_duration(64, 64, 0, 24).frames == 1


def test_a_minute_at_24_frames_a_second_is_1440_frames():
    assert Size.of_duration(1920, 1080, 60, 24) == Size(1920, 1080, 1440)


def test_cropping_to_more_than_there_is_is_refused():
    with pytest.raises(SizeError, match="too small"):
        crop(torch.zeros(3, 5, 16, 16), Size(32, 16, 5))
