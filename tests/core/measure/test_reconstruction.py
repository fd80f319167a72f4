"""What the signal-to-noise ratios count, and what they do not."""

import pytest
import torch

from sora_core.measure.heldout_clips import (
    ReconstructedClip,
    reconstructed_clips,
    reconstruction_figures,
    through,
)
from sora_core.measure.report import decibels
from sora_core.shapes import Size
from sora_core.world.render import FIRST_THING
from tests.support.tiny import tiny_autoencoder

SHAPE = (5, 16, 16)


def pair(where, error):
    """A grey clip, off by `error` on the object or off it; the object is the left half."""
    segments = torch.zeros(SHAPE, dtype=torch.uint8)
    segments[..., :8] = FIRST_THING
    true = torch.full((*SHAPE, 3), 100, dtype=torch.uint8)
    result = true.clone()
    result[(segments == FIRST_THING) == (where == "object")] += error
    return ReconstructedClip(true, result, segments)


def values(*observed):
    return [figure.value for figure in reconstruction_figures(observed)]


def test_twice_the_error_costs_six_decibels():
    assert decibels(1e-4) - decibels(4e-4) == pytest.approx(6.02, abs=0.01)


def test_an_error_on_the_object_is_diluted_in_the_whole_by_its_share():
    whole, thing = values(pair("object", 10))
    assert whole - thing == pytest.approx(3.01, abs=0.01)


def test_an_error_elsewhere_leaves_the_object_perfect():
    whole, thing = values(pair("elsewhere", 10))
    assert whole < 40 < 100 < thing


def test_a_clip_without_an_object_in_view_counts_in_the_whole_alone():
    observed = pair("object", 10)
    empty = ReconstructedClip(observed.true, observed.true, torch.zeros_like(observed.segments))
    whole, thing = values(observed, empty)
    assert (whole, thing) == (
        pytest.approx(values(observed)[0] + 3.01, abs=0.01),
        values(observed)[1],
    )


def test_clips_come_back_in_their_own_size_and_held_out_ones_differ():
    size = Size(32, 48, 6)
    observed = list(reconstructed_clips(tiny_autoencoder(), size, count=2))
    assert [tuple(p.reconstructed.shape) for p in observed] == [(6, 48, 32, 3)] * 2
    assert not torch.equal(observed[0].true, observed[1].true)


def test_what_comes_back_depends_on_what_went_in():
    clip = pair("object", 10).true
    autoencoder = tiny_autoencoder()
    assert not torch.equal(through(autoencoder, clip), through(autoencoder, clip + 60))
