"""Shape constancy falls where an outline wobbles, and a thing that is not there has none."""

import pytest

from sora_core.measure.world.shape import constancy
from tests.support.broken_clips import redrawn, sample, stretched


@pytest.mark.parametrize("kind", ("bounce", "fall", "roll"))
def test_a_true_silhouette_is_constant(kind):
    true = sample(kind)
    assert constancy(true, true.clip.frames) > 0.9


def test_a_wobbling_silhouette_is_not():
    true = sample("still")
    wobbling = redrawn(
        true.clip, lambda thing, t: stretched(thing, *((1.25, 0.8) if t % 4 == 3 else (1, 1)))
    )
    assert constancy(true, wobbling) < constancy(true, true.clip.frames) - 0.1


def test_a_clip_without_the_thing_has_none():
    true = sample("still")
    assert constancy(true, redrawn(true.clip, lambda thing, t: 0 * thing)) == 0


def test_a_thing_that_vanishes_for_a_quarter_of_the_frames_has_none():
    true = sample("still")
    broken = redrawn(true.clip, lambda thing, t: thing if t % 4 else 0 * thing)
    assert constancy(true, broken) == 0
