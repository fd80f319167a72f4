"""The tracker finds true things, and each way in which a thing can be wrong."""

import pytest
import torch

from sora_core.measure.world.tracker import labels_of, overlap, track
from tests.support.broken_clips import doubled, redrawn, sample


@pytest.mark.parametrize("kind", ("bounce", "fall", "roll"))
def test_a_true_thing_is_found_where_it_is(kind):
    true = sample(kind)
    found = track(true.clip.frames, true.tints[0])
    assert overlap(found.matte > 0.5, true.clip.segments == 3)[found.inside].min() > 0.8


def test_its_centre_is_known_to_a_fraction_of_a_pixel():
    true = sample("roll")
    found = track(true.clip.frames, true.tints[0])
    off = found.x - true.clip.truth.screen[0, :, 0].numpy()
    assert abs(off[found.inside] - off[found.inside].mean()).max() < 0.5


def test_both_of_two_things_are_found_once():
    true = sample("collide")
    assert all((track(true.clip.frames, tint).pieces == 1).mean() > 0.9 for tint in true.tints)


def test_a_second_thing_of_the_same_colour_is_counted():
    true = sample("still")
    double = redrawn(true.clip, lambda thing, t: doubled(thing))
    assert track(double, true.tints[0]).pieces.tolist() == [2] * 17


def test_where_the_thing_is_missing_nothing_is_found():
    true = sample("still")
    empty = redrawn(true.clip, lambda thing, t: 0 * thing)
    assert not track(empty, true.tints[0]).found.any()


def test_connected_parts_have_one_number_each_and_corners_connect():
    mask = torch.tensor([[[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]]]).bool()
    labels = labels_of(mask)[0]
    assert len(labels[labels > 0].unique()) == 3
    assert labels[0, 0] == labels[1, 1]
