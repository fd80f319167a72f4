"""How far the levels of two pictures lie apart, and pictures whose levels are moved."""

import pytest
import torch

from sora_core.measure.seams import colour_distance
from sora_core.seams.levels import MAX_LEVEL_SHIFT, level_shift, shift_levels
from sora_core.video.frames import frames_from_video

LEVEL = 2 / 255


def picture(seed=0, side=48):
    """Soft hills of all levels but the outermost ones."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 6, generator=generator) * 1.6 - 0.8
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(-0.9, 0.9)


def apart(first, second):
    return colour_distance(*(frames_from_video(each[0][:, None])[0] for each in (first, second)))


def test_a_picture_like_itself_is_left_alone():
    assert torch.equal(shift_levels(picture(), level_shift(picture(), picture())), picture())


def test_what_moves_is_left_alone():
    here = picture()
    assert not level_shift(here, here.roll((5, 9), dims=(2, 3))).any()


@pytest.mark.parametrize("levels", [-3, -1, 2, 4])
def test_a_shift_in_brightness_is_found_and_undone(levels):
    brighter = picture() + levels * LEVEL
    shift = level_shift(brighter, picture())
    torch.testing.assert_close(shift, torch.full_like(shift, -levels))
    torch.testing.assert_close(shift_levels(brighter, shift), picture())


def test_a_loss_of_contrast_is_undone_as_well():
    true, pale = picture(), picture() * 0.97
    assert apart(shift_levels(pale, level_shift(pale, true)), true) < 0.3 * apart(pale, true)


def test_each_channel_has_a_shift_of_its_own():
    tinted = picture().clone()
    tinted[:, 0] += 3 * LEVEL
    assert level_shift(tinted, picture()).mean(1).tolist() == pytest.approx([-3, 0, 0], abs=1e-4)


@pytest.mark.parametrize("other", [-picture(), torch.ones(1, 3, 8, 8), torch.zeros(1, 3, 1, 1)])
def test_a_picture_of_something_else_moves_no_level_far(other):
    shift = level_shift(picture(), other)
    assert shift.isfinite().all() and 0 < shift.abs().max() <= MAX_LEVEL_SHIFT
    places = torch.arange(256) + shift
    assert (places.diff(dim=1) > -1e-3).all()  # no two change places


def test_a_broken_picture_is_nobodys_colour():
    broken = picture().clone()
    broken[..., 0] = torch.nan
    assert level_shift(broken, picture()).isfinite().all()
    assert level_shift(picture(), broken).isfinite().all()
