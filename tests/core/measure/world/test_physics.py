"""The laws of motion: true clips keep them, and each breach is found in its own figure."""

from functools import cache

import numpy as np
import pytest
import torch

from sora_core.measure.world.physics import LAWS, lawful, ranges
from tests.support.broken_clips import moved, redrawn, sample, stretched, true_clips

pytestmark = pytest.mark.slow


@cache
def true_fits(kind):
    """The fits of the clips that set the ranges, drawn and tracked once for all tests."""
    return [LAWS[kind](s, s.clip.frames) for s in true_clips().samples(kind, 12, 10_000)]


def allowed(kind):
    return ranges(true_fits(kind))


@pytest.fixture(scope="module", params=("bounce", "fall", "roll", "collide"))
def law(request):
    return request.param, allowed(request.param)


def test_true_clips_that_set_the_ranges_are_in_them(law):
    kind, known = law
    assert np.mean([lawful(fit, known) for fit in true_fits(kind)]) >= 0.5


def test_a_clip_without_its_thing_breaks_every_law(law):
    kind, known = law
    true = sample(kind, 10_000)
    empty = redrawn(true.clip, lambda thing, t: 0 * thing)
    assert not lawful(LAWS[kind](true, empty), known)


def test_the_fit_of_a_fall_finds_the_gravity_of_the_world():
    true = sample("fall")
    fit = LAWS["fall"](true, true.clip.frames)
    scale = (true.clip.truth.focal / 5.5)[0].item()  # pixels of a unit, where things stand
    assert fit["gravity"] == pytest.approx(3.0 / 8**2 * scale, rel=0.1)


def test_a_fall_at_half_the_gravity_is_found():
    true = sample("fall", 10_000)
    slow = true.clip.frames[(torch.arange(17) / 2**0.5).long()]
    fit = LAWS["fall"](true, slow)
    assert fit["gravity"] < 0.75 * LAWS["fall"](true, true.clip.frames)["gravity"]
    assert not lawful(fit, allowed("fall"))


def test_a_bounce_without_parabolas_is_found():
    true = sample("bounce", 10_000)
    down = [0, 3, 6, 9, 12, 9, 6, 3]  # even speed, up and down
    still = true.clip.frames[:1].expand(17, -1, -1, -1)
    base = type(true.clip)(still, true.clip.segments[:1].expand(17, -1, -1), None, None)
    zigzag = redrawn(base, lambda thing, t: moved(thing, 0, -down[t % 8]))
    fit = LAWS["bounce"](true, zigzag)
    assert fit["residual"] > 2 * LAWS["bounce"](true, true.clip.frames)["residual"]
    assert not lawful(fit, allowed("bounce"))


def test_a_bounce_that_jitters_sideways_is_found():
    true = sample("bounce", 10_000)
    jitter = redrawn(true.clip, lambda thing, t: moved(thing, (0, 1, 0, -1)[t % 4]))
    fit, known = LAWS["bounce"](true, jitter), allowed("bounce")
    assert fit["jitter"] > known["jitter"][1]


def test_a_ball_that_rolls_backwards_is_found():
    true = sample("roll", 10_000)
    fit = LAWS["roll"](true, true.clip.frames.flip(0))
    assert fit["speed"] < 0
    assert not lawful(fit, allowed("roll"))


def test_a_ball_that_swells_is_found():
    true = sample("roll", 10_000)
    swelling = redrawn(true.clip, lambda thing, t: stretched(thing, *(2 * [1 + 0.02 * t])))
    fit, known = LAWS["roll"](true, swelling), allowed("roll")
    assert fit["area"] > known["area"][1]


def test_a_hitter_that_shrinks_or_trembles_is_found():
    true, known = sample("collide", 10_000), allowed("collide")
    shrinking = redrawn(true.clip, lambda thing, t: stretched(thing, *(2 * [1 - 0.03 * t])))
    assert LAWS["collide"](true, shrinking)["area"] > known["area"][1]
    trembling = redrawn(true.clip, lambda thing, t: moved(thing, 0, (0, 1, 0, -1)[t % 4]))
    assert LAWS["collide"](true, trembling)["jitter"] > known["jitter"][1]


def test_a_thing_that_sets_off_before_it_is_hit_is_found():
    true = sample("collide", 10_000)
    known, side = allowed("collide"), 1 if true.scene.things[0].motion == "right" else -1
    second = type(true.clip)(
        true.clip.frames,
        torch.where(true.clip.segments == 4, 3, torch.where(true.clip.segments == 3, 4, 0)),
        None,
        None,
    )
    early = redrawn(second, lambda thing, t: moved(thing, side * max(0, (6 - abs(t - 6)) // 2)))
    assert not lawful(LAWS["collide"](true, early), known)
