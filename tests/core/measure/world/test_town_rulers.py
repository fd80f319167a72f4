"""Rulers of what the toy town shows: strokes, light, pushes, returns and cuts, true and broken."""

from math import isnan

import pytest
import torch

from sora_core.measure.world.change import READS
from sora_core.measure.world.clips import Clips
from sora_core.measure.world.count import countable_frames, countable_samples, right_count
from sora_core.measure.world.identity import cut_of, likeness
from sora_core.measure.world.permanence import returned
from sora_core.measure.world.town import town


@pytest.fixture(scope="module")
def clips():
    return Clips(None, town())


@pytest.mark.parametrize("kind", tuple(READS))
def test_a_true_change_is_there_and_stays(clips, kind):
    true = clips.samples(kind, 1)[0]
    assert READS[kind](true, true.clip.frames)


@pytest.mark.parametrize("kind", tuple(READS))
def test_a_change_that_goes_back_does_not_stay(clips, kind):
    true = clips.samples(kind, 1)[0].clip.frames
    back = torch.cat([true[::2], true.flip(0)[::2]])
    assert not READS[kind](clips.samples(kind, 1)[0], back[:17])


@pytest.mark.parametrize("kind", tuple(READS))
def test_a_clip_in_which_nothing_changes_has_no_change(clips, kind):
    true = clips.samples(kind, 1)[0]
    assert not READS[kind](true, true.clip.frames[:1].expand(17, -1, -1, -1))


def test_what_leaves_and_returns_is_the_same_and_one_that_stays_away_is_not_scored(clips):
    true = clips.samples("left", 1)[0]
    assert returned(true, true.clip.frames) is not None
    empty = int(true.clip.truth.visible[true.scene.subject].argmin())
    gone = true.clip.frames.clone()
    gone[empty:] = gone[empty]
    assert returned(true, gone) is None


def test_a_thing_is_alike_across_a_cut_and_a_clip_without_one_is_not_scored(clips):
    true = next(s for s in clips.samples("cut", 4) if likeness(s, s.clip.frames))
    found = likeness(true, true.clip.frames)
    assert found.outline > 0.7
    assert found.hue < 10
    at = cut_of(true)
    uncut = torch.cat(
        [true.clip.frames[:at], true.clip.frames[at - 1 :][:1].expand(17 - at, -1, -1, -1)]
    )
    assert likeness(true, uncut) is None


def test_another_colour_after_the_cut_is_found(clips):
    true = next(s for s in clips.samples("cut", 4) if likeness(s, s.clip.frames))
    other = true.clip.frames.clone()
    at = cut_of(true)
    other[at:] = other[at:].roll(1, -1)  # red to green, green to blue, blue to red
    found = likeness(true, other)
    assert found is None or found.hue > 10


def grey(frames):
    return frames.float().mean(-1, keepdim=True).expand(-1, -1, -1, 3).byte()


def test_several_things_alike_are_counted(clips):
    true = countable_samples(clips, "several", 1)[0]
    assert right_count(true, true.clip.frames) == 1
    assert right_count(true, grey(true.clip.frames)) == 0


def test_one_of_several_that_is_missing_is_miscounted(clips):
    true = countable_samples(clips, "several", 1)[0]
    erased = true.clip.frames.clone()
    one = true.clip.segments == true.things[0][0]
    erased[one] = grey(erased)[one]
    assert right_count(true, erased) == 0


def test_a_scene_whose_things_always_touch_or_hide_each_other_is_not_counted(clips):
    touching = next(s for s in clips.samples("several", 8) if not countable_frames(s).any())
    assert isnan(right_count(touching, touching.clip.frames))
    assert isnan(right_count(touching, grey(touching.clip.frames)))
    numbers = [sample.shot.number for sample in countable_samples(clips, "several", 2)]
    assert len(numbers) == 2
    assert touching.shot.number not in numbers
