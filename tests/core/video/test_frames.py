"""Conversions of pixels lose nothing, and frames are fitted to exactly the size asked for."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sora_core.errors import SizeError
from sora_core.video.frames import (
    contain,
    cover,
    frames_from_images,
    frames_from_video,
    images_from_frames,
    resize,
    video_from_frames,
)

ALL_BYTES = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).repeat(1, 1, 1, 3)
SIDES = st.integers(1, 70)


def clip(width, height):
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, height, width, 3), dtype=torch.uint8, generator=random)


def test_bytes_survive_the_way_through_model_pixels():
    assert torch.equal(frames_from_video(video_from_frames(ALL_BYTES)), ALL_BYTES)


def test_bytes_survive_the_way_through_half_precision_model_pixels():
    assert torch.equal(frames_from_video(video_from_frames(ALL_BYTES).half()), ALL_BYTES)


def test_bytes_survive_the_way_through_host_images():
    assert torch.equal(frames_from_images(images_from_frames(ALL_BYTES)), ALL_BYTES)


def test_black_and_white_are_the_ends_of_the_model_range():
    ends = video_from_frames(torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 2, 1))
    assert ends.flatten().tolist() == [-1.0, 1.0]


def test_values_round_to_the_nearest_byte():
    halfway = (torch.arange(255) + 0.5) / 255
    below = frames_from_images((halfway - 1e-4).view(1, 1, -1, 1))
    above = frames_from_images((halfway + 1e-4).view(1, 1, -1, 1))
    assert torch.equal(above.flatten().int() - below.flatten().int(), torch.ones(255).int())


def test_values_beyond_the_range_take_its_ends():
    video = torch.tensor([-3.0, 3.0]).view(1, 1, 1, 2).expand(3, 1, 1, 2)
    assert frames_from_video(video)[0, 0, :, 0].tolist() == [0, 255]


def test_axes_keep_their_meaning():
    video = torch.full((3, 2, 4, 5), -1.0)
    video[1, 0, 2, 3] = 1
    assert frames_from_video(video).nonzero().tolist() == [[0, 2, 3, 1]]


@given(SIDES, SIDES, SIDES, SIDES)
def test_every_fit_has_exactly_the_size_asked_for(width, height, new_width, new_height):
    fitted = [fit(clip(width, height), new_width, new_height) for fit in (resize, cover, contain)]
    assert {tuple(frames.shape) for frames in fitted} == {(2, new_height, new_width, 3)}


@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 255))
def test_one_colour_stays_that_colour(width, height, new_width, new_height, level):
    frames = torch.full((1, height, width, 3), level, dtype=torch.uint8)
    assert (cover(frames, new_width, new_height) == level).all()


def test_shrinking_averages():
    checkers = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 255
    frames = checkers.to(torch.uint8)[None, :, :, None].expand(1, 64, 64, 3)
    middle = resize(frames, 16, 16)[:, 2:-2, 2:-2].float()
    assert (middle - 127.5).abs().max() < 3


def test_cover_loses_the_same_on_both_sides():
    frames = torch.arange(60, dtype=torch.uint8)[None, None, :, None].expand(1, 20, 60, 3)
    assert cover(frames, 20, 20)[0, 0, :, 0].tolist() == list(range(20, 40))


def test_contain_puts_a_border_around():
    frames = torch.full((1, 20, 60, 3), 200, dtype=torch.uint8)
    column = contain(frames, 60, 60, border=7)[0, :, 30, 0].tolist()
    assert column == [7] * 20 + [200] * 20 + [7] * 20


def test_a_size_of_zero_is_refused():
    with pytest.raises(SizeError, match="0x8"):
        resize(ALL_BYTES, 0, 8)
