"""What the autoencoder learns from: cuts of clips, most of them whole in time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sora_core.training.autoencoder import CROP, CROP_MARGIN, begun_twice, cut_out
from sora_core.training.dataset import FIRST_OBJECT


@settings(deadline=None)
@given(st.integers(CROP, 100), st.integers(CROP, 100), st.booleans(), st.integers(0, 99))
def test_a_cut_is_whole_and_square_wherever_the_object_is(rows, columns, displayed, seed):
    generator = torch.Generator().manual_seed(seed)
    frames = torch.zeros(3, rows, columns, 3, dtype=torch.uint8)
    segments = torch.zeros(3, rows, columns, dtype=torch.uint8)
    if displayed:
        y, x = (int(torch.randint(side, (), generator=generator)) for side in (rows, columns))
        segments[1, y, x] = FIRST_OBJECT
    assert cut_out(frames, segments, generator).shape == (3, CROP, CROP, 3)


def test_cuts_show_an_object_in_a_corner_more_often_than_by_chance():
    frames = torch.zeros(1, 128, 128, 3, dtype=torch.uint8)
    segments = torch.zeros(1, 128, 128, dtype=torch.uint8)
    frames[:, 2, 2], segments[:, 2, 2] = 255, FIRST_OBJECT
    generator = torch.Generator().manual_seed(0)
    observed = [cut_out(frames, segments, generator).any().item() for _ in range(400)]
    assert sum(observed) / len(observed) == pytest.approx(CROP_MARGIN, abs=0.1)


def test_a_clip_that_begins_twice_is_as_long_and_stands_for_one_frame():
    clip = torch.arange(5)
    assert begun_twice(clip).tolist() == [0, 0, 1, 2, 3]
