"""What the signal-to-noise ratios count, and what they do not."""

import pytest
import torch

from sora_core.measure.reconstruction import Pair, figures, pairs, through
from sora_core.measure.report import decibels
from sora_core.shapes import Size
from sora_core.world.render import FIRST_THING
from tests.tiny import tiny_autoencoder

SHAPE = (5, 16, 16)


def pair(where, error):
    """A grey clip, off by `error` on the object or off it; the object is the left half."""
    segments = torch.zeros(SHAPE, dtype=torch.uint8)
    segments[..., :8] = FIRST_THING
    true = torch.full((*SHAPE, 3), 100, dtype=torch.uint8)
    made = true.clone()
    made[(segments == FIRST_THING) == (where == "object")] += error
    return Pair(true, made, segments)


def values(*seen):
    return [figure.value for figure in figures(seen)]


def test_twice_the_error_costs_six_decibels():
    assert decibels(1e-4) - decibels(4e-4) == pytest.approx(6.02, abs=0.01)


def test_an_error_on_the_object_is_diluted_in_the_whole_by_its_share():
    whole, thing = values(pair("object", 10))
    assert whole - thing == pytest.approx(3.01, abs=0.01)


def test_an_error_elsewhere_leaves_the_object_perfect():
    whole, thing = values(pair("elsewhere", 10))
    assert whole < 40 < 100 < thing


def test_a_clip_without_an_object_in_view_counts_in_the_whole_alone():
    seen = pair("object", 10)
    empty = Pair(seen.true, seen.true, torch.zeros_like(seen.segments))
    whole, thing = values(seen, empty)
    assert (whole, thing) == (pytest.approx(values(seen)[0] + 3.01, abs=0.01), values(seen)[1])


def test_clips_come_back_in_their_own_size_and_held_out_ones_differ():
    size = Size(32, 48, 6)
    seen = list(pairs(tiny_autoencoder(), size, count=2))
    assert [tuple(p.made.shape) for p in seen] == [(6, 48, 32, 3)] * 2
    assert not torch.equal(seen[0].true, seen[1].true)


def test_what_comes_back_depends_on_what_went_in():
    clip = pair("object", 10).true
    autoencoder = tiny_autoencoder()
    assert not torch.equal(through(autoencoder, clip), through(autoencoder, clip + 60))
