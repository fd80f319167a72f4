from time import process_time

import numpy as np
import pytest
import torch

from sora_core.errors import SizeError
from sora_core.shapes import Size
from sora_core.world.render import FIRST_THING
from sora_core.world.town.raycast import MARK
from sora_core.world.town.recipes import SCENES, scene_of
from sora_core.world.town.render import render_town
from sora_core.world.town.sample import sample_town
from sora_core.world.town.scene import Shot, Stage, Stroke, TownScene, TownThing, View

SMALL = Size(32, 32, 9)
SHAPES = (Size(64, 64, 33), Size(112, 64, 33), Size(64, 112, 33))


@pytest.mark.parametrize("kind", SCENES)
def test_frames_at_equal_times_are_equal_at_another_rate(kind):
    scene = scene_of(kind, 4)
    slow, fast = render_town(scene, SMALL, 8.0), render_town(scene, Size(32, 32, 17), 16.0)
    assert torch.equal(slow.frames, fast.frames[::2])
    assert torch.equal(slow.segments, fast.segments[::2])


@pytest.mark.parametrize("seed", range(4))
def test_a_longer_clip_begins_with_the_shorter_one(seed):
    scene = sample_town(seed)
    long, short = render_town(scene, Size(32, 32, 20)), render_town(scene, SMALL)
    assert torch.equal(long.frames[:9], short.frames)


def test_a_start_in_seconds_is_the_same_as_skipping_frames():
    scene = scene_of("storyboard", 3)
    late = render_town(scene, Size(32, 32, 3), fps=8, start=0.75)
    assert torch.equal(late.frames, render_town(scene, SMALL).frames[6:])


@pytest.mark.parametrize("seed", range(6))
def test_the_same_scene_fills_the_same_share_of_a_larger_frame(seed):
    scene = scene_of("crowd", seed, sky="day")
    small, large = render_town(scene, Size(48, 48, 3)), render_town(scene, Size(96, 96, 3))
    halved = large.frames.float().reshape(3, 48, 2, 48, 2, 3).mean(dim=(2, 4))
    assert (halved - small.frames.float()).abs().mean() < 5
    assert torch.allclose(large.truth.screen, 2 * small.truth.screen, atol=1e-3)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", SHAPES, ids=str)
def test_a_thing_that_leaves_is_out_of_every_frame_and_comes_back(seed, size):
    scene = scene_of("left", seed, 4.0)
    clip = render_town(scene, size)
    visible = clip.truth.visible[scene.subject]
    gone = torch.nonzero(visible == 0).flatten()
    assert visible[0] > 0.5 and len(gone) >= 2 and visible[gone[-1] :].max() > 0.5
    gone = gone[1:-1]  # a sliver of an outline may be less than the share can count
    assert not (clip.segments[gone] == FIRST_THING + scene.subject).any()


@pytest.mark.parametrize("seed", range(6))
def test_a_thing_that_is_gone_stays_out(seed):
    scene = scene_of("gone", seed, 4.0)
    visible = render_town(scene, SHAPES[1]).truth.visible[scene.subject]
    assert visible[0] > 0.3 and (visible[-4:] == 0).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_thing_behind_a_wall_is_hidden_and_comes_out(seed):
    scene = scene_of("hidden", seed, 3.0)
    visible = render_town(scene, Size(64, 64, 25)).truth.visible[scene.subject]
    hidden = torch.nonzero(visible < 0.02).flatten()
    assert len(hidden) and visible[: hidden[0]].max() > 0.3 and visible[hidden[-1] :].max() > 0.3


def above(stage):
    return TownScene((Shot(stage, View(angle="above", camera="static")),))


@pytest.mark.parametrize("kind", ["stroke", "tracks"])
@pytest.mark.parametrize("seed", range(4))
def test_a_stroke_grows_and_stays(kind, seed):
    scene = above(scene_of(kind, seed).shots[0].stage)
    clip = render_town(scene, Size(64, 64, 33), 8.0)
    area = clip.truth.stroke
    assert area[0] == 0 and area[-1] > 0.3 and (torch.diff(area) >= 0).all()
    marked, thing = clip.segments == MARK, (clip.segments >= FIRST_THING).float()
    thing = torch.nn.functional.max_pool2d(thing, 5, 1, 2) > 0  # its outline shares pixels
    assert marked[-1].sum() > 20
    once = (marked & ~thing).cummax(dim=0).values
    assert not (once & ~marked & ~thing).any()


@pytest.mark.parametrize("seed", range(6))
def test_light_changes_in_one_direction_and_stays(seed):
    scene = scene_of("light", seed)
    light = render_town(scene, Size(32, 32, 33)).truth.light
    steps = torch.diff(light)
    assert (steps >= 0).all() or (steps <= 0).all()
    assert abs(light[-1] - light[0]) > 0.25 and (steps[-8:] == 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_lamp_lights_the_floor_and_stays_lit(seed):
    stage = scene_of("lamp", seed, sky="night").shots[0].stage
    clip = render_town(TownScene((Shot(stage),)), Size(48, 48, 25))
    lit, dark = clip.truth.lamp == 1, clip.truth.lamp == 0
    assert dark[0] and lit[-8:].all()
    floor = (clip.segments == 0).all(dim=0)
    levels = clip.frames.float().mean(dim=-1)[:, floor].mean(dim=1)
    assert levels[lit].min() > levels[dark].max() + 5


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["cut_same_thing", "cut_view", "storyboard"])
def test_a_shot_begins_with_the_first_frame_at_its_start(kind, seed):
    scene = scene_of(kind, seed, 3.0)
    shots = render_town(scene, Size(16, 16, 36), 12.0).truth.shot
    for i, shot in enumerate(scene.shots):
        first = int(torch.nonzero(shots == i)[0])
        assert first / 12 >= shot.start - 1e-6 and (first - 1) / 12 < shot.start


@pytest.mark.parametrize("seed", range(6))
def test_the_same_thing_has_the_same_identity_and_looks_in_every_shot(seed):
    scene = scene_of("cut_same_thing", seed)
    looks = {
        (s.stage.things[0].identity, s.stage.things[0].kind, s.stage.things[0].colour)
        for s in scene.shots
    }
    assert len(looks) == 1
    assert len({(s.stage.floor, s.stage.sky) for s in scene.shots}) == len(scene.shots)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_a_count_is_in_the_pixels(count):
    for seed in range(4):
        scene = scene_of("count", seed, count=count, camera="static")
        segments = render_town(scene, Size(96, 96, 2)).segments[0]
        assert len(set(segments[segments >= FIRST_THING].tolist())) == count


def test_positions_are_where_the_pixels_are():
    thing = TownThing("ball", "red", x=0.4, z=0.3)
    clip = render_town(TownScene((Shot(Stage((thing,))),)), Size(96, 96))
    rows, columns = torch.nonzero(clip.segments[0] == FIRST_THING, as_tuple=True)
    found = torch.stack([columns.float().mean() + 0.5, rows.float().mean() + 0.5])
    assert torch.allclose(clip.truth.screen[0, 0], found, atol=1.0)


def test_a_stroke_is_left_by_a_wheel_only_where_it_went():
    stage = scene_of("stroke", 0).shots[0].stage
    still = Stage((TownThing("ball", "red"),), strokes=(Stroke(0, "red"),))
    assert render_town(TownScene((Shot(still),)), SMALL).truth.stroke.max() == 0
    assert render_town(TownScene((Shot(stage),)), SMALL).truth.stroke.max() > 0


def test_a_clip_is_drawn_in_a_quarter_of_a_second_of_one_core():
    scenes = [sample_town(seed) for seed in range(6)]
    render_town(scenes[0], Size(16, 16))
    start = process_time()
    for scene in scenes:
        render_town(scene, Size(64, 64, 17))
    assert (process_time() - start) / len(scenes) < 0.25  # 0.06 on the machine it was written on


@pytest.mark.parametrize(("fps", "start"), [(0, 0), (-8, 0), (8, -1), (float("nan"), 0)])
def test_a_rate_or_start_that_is_no_time_is_refused(fps, start):
    with pytest.raises(SizeError):
        render_town(scene_of("still", 0), SMALL, fps, start)


def test_nothing_is_not_a_number_where_the_thing_is_in_the_shot():
    truth = render_town(scene_of("storyboard", 1), SMALL).truth
    assert np.isfinite(truth.positions[truth.present].numpy()).all()
    assert torch.isnan(truth.positions[~truth.present]).all()
