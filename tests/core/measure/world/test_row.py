"""Intervals hold what they should, and rows have their keys."""

import numpy as np
import pytest

from sora_core.errors import ConfigError
from sora_core.measure.world.plan import RulerPlan, chosen_rulers
from sora_core.measure.world.row import NONE, Row, bootstrap, mean_row, share_row, wilson


def test_wilsons_interval_is_that_of_the_textbook():
    assert wilson(7, 10) == pytest.approx((0.3968, 0.8922), abs=1e-4)


@pytest.mark.parametrize(("hits", "n"), ((0, 24), (24, 24), (0, 0)))
def test_it_stays_within_nought_and_one(hits, n):
    low, high = wilson(hits, n)
    assert 0 <= low <= high <= 1


def test_the_bootstrap_covers_the_mean_of_most_samples():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        low, high = bootstrap(rng.normal(size=30).tolist())
        hits += low <= 0 <= high
    assert 88 <= hits <= 99


def test_a_row_has_flat_keys_and_leaves_out_what_it_does_not_have():
    row = Row("shape/roll", 1.0, NONE, 0.5, 8, 0.2, 0.8)
    assert [figure.name for figure in row.figures] == [
        "shape/roll/true",
        "shape/roll/made",
        "shape/roll/n",
    ]


def test_shares_and_means_are_those_of_the_clips():
    assert share_row("a", [True], [True, False], [False] * 4).limit == 0.5
    assert mean_row("a", [1.0], [2.0], [1.0, 3.0]).generated == 2


def test_an_unknown_ruler_is_refused_by_name():
    with pytest.raises(ConfigError, match="ruler 'colour': choose one of shape"):
        chosen_rulers(["colour"], town=True)


def test_a_plan_of_one_clip_is_refused():
    with pytest.raises(ConfigError, match="clips 1:"):
        RulerPlan(1, 10, 4)


def test_rulers_of_the_town_are_not_those_of_the_first_world():
    assert "identity" in chosen_rulers([], town=True)
    with pytest.raises(ConfigError, match="ruler 'identity'"):
        chosen_rulers(["identity"], town=False)
