"""Each ruler against a clip that is broken on purpose."""

from dataclasses import replace
from itertools import permutations

import pytest
import torch

from sora_core.measure.world import drift, setting
from sora_core.measure.world.clips import Clips
from sora_core.measure.world.connect import JOIN_FRAMES, changes, score
from sora_core.measure.world.connect import _score as change_score
from sora_core.measure.world.count import right_count
from sora_core.measure.world.distance import compared, distance, features, paired_kernel, spread
from sora_core.measure.world.edit import follows
from sora_core.measure.world.formats import relative_width, speed
from sora_core.measure.world.geometry import carried
from sora_core.measure.world.guidance import asked, curve
from sora_core.measure.world.loop import step
from sora_core.measure.world.permanence import Return, cut_overlap, returned, sameness
from sora_core.measure.world.tracker import track
from sora_core.measure.world.worlds import first_world
from sora_core.pipeline.generate import load
from sora_core.shapes import Size
from sora_core.world.render import render
from tests.support.broken_clips import doubled, moved, redrawn, sample, stretched, true_clips

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ("orbit", "pan", "rise", "zoom"))
def test_a_true_floor_is_carried_along_by_the_true_camera(kind):
    true = sample(kind)
    found = carried(true_clips(), true, true.clip.frames)
    assert found.correlation > 0.85
    assert 0.85 <= found.pace <= 1.15


def test_a_floor_that_slides_under_the_camera_is_found():
    true = sample("orbit")
    sliding = true.clip.frames.clone()
    for t in range(17):
        below = sliding[t, 34:]
        sliding[t, 34:] = below.roll(2 * t, dims=1)
    assert carried(true_clips(), true, sliding).correlation < 0.7


def test_a_camera_that_stands_still_has_no_pace():
    true = sample("zoom")
    found = carried(true_clips(), true, true.clip.frames[:1].expand(17, -1, -1, -1))
    assert found.pace == 0


def test_a_true_thing_comes_back_as_it_went():
    true = sample("hide")
    found = returned(true, true.clip.frames)
    assert found is not None
    assert (0.8 < found.area < 1.25, found.outline > 0.75, found.doubled) == (True, True, False)
    assert found.place < 0.5


def test_what_comes_back_larger_or_twice_is_found():
    true = sample("hide")
    larger = redrawn(true.clip, lambda thing, t: stretched(thing, 1.3, 1.3) if t > 8 else thing)
    grown = returned(true, torch.cat([true.clip.frames[:9], larger[9:]]))
    assert grown is not None and grown.area > 1.3
    true_ball = sample("still")
    double = redrawn(true_ball.clip, lambda thing, t: doubled(thing))
    assert (track(double, true_ball.tints[0]).pieces > 1).all()


def test_a_thing_that_bends_at_the_wall_is_found():
    true = sample("hide")
    entire = (true.clip.segments == 3).sum((1, 2)).float()
    entire /= entire.max()

    def bent(thing, t):
        return stretched(thing, 1, 0.6) if 0.3 < entire[t] < 0.9 else thing

    straight = returned(true, true.clip.frames)
    found = returned(true, redrawn(true.clip, bent))
    assert straight.cut > 0.75
    assert found is not None and found.cut < straight.cut - 0.1


def test_a_thing_cut_by_an_upright_edge_overlaps_with_its_outline_and_one_cut_across_does_not():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    disc = ((y - 32) ** 2 + (x - 32) ** 2 < 144).float()
    assert cut_overlap(disc * (x < 35), disc) == 1
    assert cut_overlap(disc * (x > 29), disc) == 1
    assert cut_overlap(disc * (y > 35), disc) < 0.6


def test_a_clip_with_two_things_widens_no_range_of_what_is_the_same():
    usual = [Return(1 + i / 200, 0.9, 1.0, 0.2, 0.8 - i / 500, False) for i in range(20)]
    torn = Return(1.0, 0.2, 1.0, 0.2, 0.03, True)
    same = sameness([*usual, torn])
    assert same(usual[10])
    for other in ({"cut": 0.4}, {"outline": 0.5}, {"area": 1.4}, {"hue": 9.0}, {"place": 2.0}):
        assert not same(replace(usual[10], **other)), other


def test_what_never_comes_back_is_not_scored():
    true = sample("hide")
    found = track(true.clip.frames, true.tints[0])
    hidden = int(found.area.argmin())
    gone = torch.cat(
        [true.clip.frames[:hidden], true.clip.frames[hidden][None].expand(17 - hidden, -1, -1, -1)]
    )
    assert returned(true, gone) is None


def test_frames_with_two_things_in_place_of_one_do_not_count():
    true = sample("still")
    double = redrawn(true.clip, lambda thing, t: doubled(thing) if t >= 8 else thing)
    assert right_count(true, true.clip.frames) == 1
    assert right_count(true, double) == pytest.approx(8 / 17)


def test_the_same_frames_at_twice_the_rate_are_twice_as_fast():
    slow, fast = sample("roll"), sample("roll", fps=16.0)
    assert speed(fast, slow.clip.frames) == pytest.approx(
        2 * speed(slow, slow.clip.frames), rel=1e-2
    )
    assert speed(fast, fast.clip.frames) == pytest.approx(speed(slow, slow.clip.frames), rel=0.05)


def test_a_thing_half_as_wide_is_half_as_wide():
    true = sample("still")
    small = redrawn(true.clip, lambda thing, t: stretched(thing, 0.5, 0.5))
    assert relative_width(true, small) == pytest.approx(0.5, abs=0.1)
    assert relative_width(true, true.clip.frames) == 1


def test_a_loop_that_stands_still_has_no_step():
    true = sample("roll")
    assert step(true, true.clip.frames[8:9].expand(16, -1, -1, -1)) == 0
    assert step(true, true.clip.frames) > 1


@pytest.fixture(scope="module")
def change():
    return changes(true_clips(), 1)[0]


def ends(change):
    return change.true[:5], change.true[-4:]


def test_a_true_change_counts(change):
    assert change_score(change, change.true[5:-4]) > 0.9


def test_a_cross_fade_is_no_change(change):
    first, last = (end.float() for end in ends(change))
    shares = torch.linspace(0, 1, JOIN_FRAMES - 7)[1:-1].view(-1, 1, 1, 1)
    fade = ((1 - shares) * first[-1] + shares * last[0]).round().byte()
    assert change_score(change, fade) == 0


@pytest.mark.parametrize("at", (0, 4, 11))
def test_a_hard_cut_is_no_change(change, at):
    first, last = ends(change)
    cut = torch.cat([first[-1:].expand(at, -1, -1, -1), last[:1].expand(12 - at, -1, -1, -1)])
    assert change_score(change, cut) == 0


def test_a_thing_that_dissolves_and_comes_back_elsewhere_is_no_change(change):
    melted = change.true[5:-4].clone().float()
    grey = melted.mean((1, 2), keepdim=True)
    melted[3:9] = 0.2 * melted[3:9] + 0.8 * grey[3:9]
    assert change_score(change, melted.round().byte()) < 0.6


def test_a_curve_that_rises_counts_and_what_falls_on_the_way_does_not():
    assert curve([0.0, 0.3, 0.8, 1.0]) == 1
    assert curve([0.0, 1.0, 0.0, 1.0]) == 0
    assert curve([1.0, 1.0, 1.0, 1.0]) == 0


def test_footage_has_none_of_the_asked_colour():
    one, other = changes(true_clips(), 1)[0].first, changes(true_clips(), 1)[0].last
    assert asked(one, other, one.clip.frames) < 0.1
    assert asked(one, other, other.clip.frames) > 0.9


def test_floors_and_skies_of_other_true_scenes_are_known():
    world = first_world()
    known, right = setting.settings_of(world), []
    for number in range(60):
        scene = world.scene("bounce", number)
        right.append(known.read(render(scene, Size(64, 64, 5)).frames) == (scene.floor, scene.sky))
    assert sum(right) / len(right) > 0.95


def test_an_edit_that_moves_the_thing_elsewhere_does_not_follow():
    true = sample("roll")
    aside = redrawn(true.clip, lambda thing, t: moved(thing, 0, -20))
    assert follows(true, true.clip.frames)
    assert not follows(true, aside)


def test_blurred_clips_are_farther_from_true_ones_than_true_ones_are():
    true = [s.clip.frames for s in true_clips().samples("bounce", 6)]
    soft = [(f.float() + f.roll(1, 1) + f.roll(1, 2) + f.roll(-1, 1)).div(4).byte() for f in true]
    assert distance(soft, true) > 5 * abs(distance(true, true))


def test_clips_in_another_order_of_frames_are_farther_too():
    true = [s.clip.frames for s in true_clips().samples("roll", 6)]
    order = torch.randperm(17, generator=torch.Generator().manual_seed(0))
    assert distance([f[order] for f in true], true) > 2 * abs(distance(true, true))


def test_the_distance_is_unbiased_over_clips_and_leaves_out_pairs_of_one_scene():
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(4, 6, 5, generator=generator)
    other = one + 0.3

    def kernel(a, b):
        return float(((a.double() @ b.double().T / 5 + 1) ** 3).mean())

    for left_out in (None, 2):
        some = [i for i in range(4) if i != left_out]
        terms = [
            kernel(one[i], one[j]) + kernel(other[i], other[j]) - 2 * kernel(one[i], other[j])
            for i, j in permutations(some, 2)
        ]
        found = paired_kernel(one, other).mmd(left_out)
        assert found == pytest.approx(1000 * sum(terms) / len(terms), rel=1e-4)
    assert paired_kernel(one, one).mmd() == pytest.approx(0, abs=1e-6)
    assert paired_kernel(one, other).error > 0


def test_clips_of_other_scenes_of_the_same_kind_are_at_no_distance():
    clips = [s.clip.frames for s in true_clips().samples("bounce", 24)]
    cells = [features(f) for f in clips]
    found = compared(cells[::2], cells[1::2])
    assert abs(found.mmd()) < 2.5 * found.error


def test_two_steps_are_farther_than_twenty():
    pipeline = load()
    near, far = (Clips(pipeline, steps=steps) for steps in (20, 2))
    samples = near.samples("fall", 6)
    true = [s.clip.frames for s in samples]
    distances = [distance([c.generated(s) for s in samples], true) for c in (far, near)]
    assert distances[0] > 1.15 * distances[1] > 0


def test_clips_that_are_all_alike_have_no_spread():
    frames = sample("same").clip.frames
    assert max(spread([frames] * 3)) == 0


def test_a_video_that_reddens_or_sharpens_drifts():
    true = sample("still").clip.frames[:1].expand(40, -1, -1, -1).float()
    ramp = torch.linspace(0, 1, 40).view(-1, 1, 1, 1)
    redder = true.clone()
    redder[..., 0] += 12 * ramp[..., 0]
    sharper = true.mean((1, 2), keepdim=True) + (1 + 0.3 * ramp) * (
        true - true.mean((1, 2), keepdim=True)
    )
    assert drift.colour(None, redder.clamp(0, 255).byte()) == pytest.approx(4, abs=1.2)
    assert drift.texture(None, sharper.clamp(0, 255).byte()) > 0.1
    assert drift.texture(None, true.byte()) == 0


def test_a_score_of_no_solid_frame_is_nought():
    one = changes(true_clips(), 1)[0]
    first = track(one.first.clip.frames, one.first.tints[0])
    last = track(one.last.clip.frames, one.last.tints[0])
    grey = torch.full((12, 64, 64, 3), 128, dtype=torch.uint8)
    assert score(grey, first, last, (one.first.tints[0], one.last.tints[0])) == 0
