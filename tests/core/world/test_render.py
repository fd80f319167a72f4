import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from sora_core.shapes import Size
from sora_core.world.motion import camera_path
from sora_core.world.render import FIRST_THING, SKY, WALL, render
from sora_core.world.scene import (
    CAMERAS,
    COLOURS,
    FLOORS,
    SHAPES,
    SKIES,
    Domain,
    Scene,
    Thing,
    Wall,
    sample_scene,
)

SMALL = Size(32, 32, 9)


def scene_of(motion="still", shape="ball", colour="red", pattern="plain", **rest):
    place = {name: rest.pop(name) for name in ("x", "z", "pace") if name in rest}
    thing = Thing(shape, colour, "medium", pattern, motion, **place)
    return Scene((thing,), **({"floor": "grey", "sky": "day", "camera": "static"} | rest))


def mean_colour(frames, where):
    return frames[where].float().mean(dim=0)


def mean_and_contrast(frames, where):
    return torch.cat([mean_colour(frames, where), frames[where].float().std(dim=0)])


def test_a_seed_gives_the_same_pixels_every_time():
    first, second = (render(sample_scene(5), SMALL) for _ in range(2))
    assert torch.equal(first.frames, second.frames)
    assert torch.equal(first.depth, second.depth)


@pytest.mark.parametrize("seed", range(6))
def test_a_longer_clip_begins_with_the_shorter_one(seed):
    scene = sample_scene(seed, Domain(collisions=0.2, walls=0.2))
    long, short = render(scene, Size(32, 32, 20)), render(scene, SMALL)
    assert torch.equal(long.frames[:9], short.frames)
    assert torch.equal(long.segments[:9], short.segments)
    assert torch.equal(long.truth.positions[:, :9], short.truth.positions)


def test_a_start_in_seconds_is_the_same_as_skipping_frames():
    scene = sample_scene(3)
    late = render(scene, Size(32, 32, 3), fps=8, start=0.75)
    assert torch.equal(late.frames, render(scene, SMALL).frames[6:])


@pytest.mark.parametrize(
    "size", [Size(16, 16), Size(112, 64, 3), Size(64, 112, 2), Size(33, 17, 5)]
)
def test_a_clip_is_exactly_its_size(size):
    clip = render(sample_scene(1), size)
    shape = (size.frames, size.height, size.width)
    assert clip.frames.shape == (*shape, 3)
    assert clip.segments.shape == clip.depth.shape == shape
    assert clip.truth.screen.shape == (len(sample_scene(1).things), size.frames, 2)


@pytest.mark.parametrize("size", [Size(64, 64, 5), Size(112, 64, 5), Size(64, 112, 5)])
def test_an_object_wholly_in_view_is_where_the_truth_says(size):
    compared = 0
    for seed in range(40):
        scene = sample_scene(seed)
        clip = render(scene, size)
        for k, t in itertools.product(range(len(clip.truth.screen)), range(size.frames)):
            if clip.truth.visible[k, t] < 0.99:
                continue
            rows, columns = torch.nonzero(clip.segments[t] == FIRST_THING + k, as_tuple=True)
            centroid = torch.stack([columns.float().mean(), rows.float().mean()]) + 0.5
            radius = clip.truth.radius[k, t]
            # Perspective enlarges the near side, and a cone is widest at its base.
            limit = 0.55 if scene.things[k].shape == "cone" else 0.25
            assert (centroid - clip.truth.screen[k, t]).norm() < limit * radius
            assert 0.2 < len(rows) / (torch.pi * radius**2) < 1.4
            compared += 1
    assert compared > 100


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("motion", "axis", "sign"),
    [("left", 0, -1), ("right", 0, 1), ("toward", 2, -1), ("away", 2, 1), ("fall", 1, -1)],
)
def test_things_go_where_their_motion_says(shape, motion, axis, sign):
    truth = render(scene_of(motion, shape, z=0.5), Size(16, 16, 17)).truth
    moved = truth.positions[0, -1] - truth.positions[0, 0]
    assert sign * moved[axis] > 0.8
    others = [other for other in range(3) if other != axis]
    assert moved[others].abs().max() < 1e-5


def test_motion_to_the_left_is_to_the_left_on_the_screen_and_toward_grows():
    left = render(scene_of("left", x=1.0), Size(64, 64, 17)).truth
    toward = render(scene_of("toward", z=2.5, pace=1.7), Size(64, 64, 17)).truth
    assert -0.6 * 64 < left.screen[0, -1, 0] - left.screen[0, 0, 0] < -0.3 * 64
    assert toward.radius[0, -1] > 1.4 * toward.radius[0, 0]


@pytest.mark.slow
def test_no_thing_moves_a_latent_cell_in_one_frame():
    for seed in range(60):
        truth = render(sample_scene(seed), Size(64, 64, 17)).truth
        assert truth.screen.diff(dim=1).norm(dim=-1).max() < 8


def test_a_fall_ends_at_rest_on_the_floor_and_a_bounce_goes_on():
    fall = render(scene_of("fall"), Size(16, 16, 33)).truth.positions[0, :, 1]
    bounce = render(scene_of("bounce"), Size(16, 16, 33)).truth.positions[0, :, 1]
    radius = scene_of().things[0].radius
    assert torch.allclose(fall[17:], torch.tensor(radius), atol=1e-5)
    assert bounce.min() >= radius - 1e-5
    assert bounce[:16].max() - radius == pytest.approx(1.0, abs=0.05)
    assert bounce[17:].max() - radius == pytest.approx(1.0, abs=0.05)


def test_spinning_changes_pixels_and_standing_still_does_not():
    spin = render(scene_of("spin", "cube", pace=2.0), SMALL).frames.float()
    still = render(scene_of("still", "cube"), SMALL).frames
    assert (spin[1:] - spin[:-1]).abs().amax(dim=(1, 2, 3)).min() > 20
    assert torch.equal(still, still[:1].expand_as(still))


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("camera", [camera for camera in CAMERAS if camera != "static"])
def test_every_camera_motion_shows_on_every_floor(floor, camera):
    clip = render(scene_of(floor=floor, camera=camera, sky="night"), Size(64, 64, 17))
    ground = (clip.segments[0] == 0) & (clip.segments[-1] == 0)
    change = (clip.frames[-1].float() - clip.frames[0].float())[ground].abs().mean()
    assert change > 2.5


@pytest.mark.parametrize("camera", CAMERAS)
def test_camera_axes_are_perpendicular_and_of_length_one(camera):
    axes = camera_path(scene_of(camera=camera), np.linspace(0, 5, 11)).axes
    assert np.allclose(axes @ axes.transpose(0, 2, 1), np.eye(3), atol=1e-12)


def test_colours_shapes_floors_and_skies_look_different():
    def distinct(means, gap):
        return min((a - b).norm() for a, b in itertools.combinations(means, 2)) > gap

    for sky in SKIES:
        clips = [render(scene_of(colour=colour, sky=sky), Size(32, 32)) for colour in COLOURS]
        assert distinct([mean_colour(c.frames, c.segments == FIRST_THING) for c in clips], 35)
        floors = [render(scene_of(floor=floor, sky=sky), Size(32, 32)) for floor in FLOORS]
        assert distinct([mean_and_contrast(c.frames, c.segments == 0) for c in floors], 20)
    skies = [render(scene_of(sky=sky), Size(32, 32)) for sky in SKIES]
    assert distinct([mean_colour(c.frames, c.segments == SKY) for c in skies], 60)
    outlines = [render(scene_of(shape=shape), Size(64, 64)).segments for shape in SHAPES]
    for one, other in itertools.combinations(outlines, 2):
        assert (one != other).float().mean() > 0.01


@pytest.mark.parametrize("floor", FLOORS)
def test_no_floor_clips_to_white_by_day(floor):
    clip = render(scene_of(floor=floor), Size(64, 64))
    assert (clip.frames[clip.segments == 0].amin(dim=-1) == 255).float().mean() < 0.01


def test_depth_meets_the_truth_at_the_middle_of_a_ball():
    clip = render(scene_of(), Size(65, 65))
    column, row = clip.truth.screen[0, 0].int().tolist()
    away = clip.truth.positions[0, 0] - clip.truth.eye[0]
    nearest = away.norm() - scene_of().things[0].radius
    assert clip.depth[0, row, column] == pytest.approx(nearest.item(), rel=0.02)
    assert torch.isinf(clip.depth[clip.segments == SKY]).all()
    assert torch.isfinite(clip.depth[clip.segments != SKY]).all()


def test_a_thing_behind_a_wall_is_hidden_and_comes_back():
    domain = Domain(walls=1.0, collisions=0.0)
    for seed in range(8):
        clip = render(sample_scene(seed, domain), Size(32, 32, 20))
        share = clip.truth.visible[0]
        hidden = int(share.argmin())
        assert share[hidden] < 0.25
        assert share[:hidden].max() > 0.6
        assert share[hidden:].max() > 0.6
        assert (clip.segments == WALL).any()


def test_visible_is_the_share_in_view_and_not_hidden():
    whole = scene_of()
    walled = replace(whole, wall=Wall(x=0.0, z=-1.2, width=2.5, height=2.4))
    assert render(whole, SMALL).truth.visible.min() == 1
    assert render(walled, SMALL).truth.visible.max() == 0
    assert render(scene_of(x=9.0), SMALL).truth.visible.max() == 0
    assert render(scene_of(x=2.0), SMALL).truth.visible[0, 0] == pytest.approx(0.5, abs=0.15)


def test_in_a_collision_the_first_thing_stops_as_the_second_starts_without_overlap():
    for seed in range(12):
        scene = sample_scene(seed, Domain(collisions=1.0))
        x = render(scene, Size(16, 16, 17)).truth.positions[:, :, 0]
        speed = x.diff(dim=1).abs()
        first, second = scene.things
        assert (speed[0, -1], speed[1, 0]) == (0, 0)
        assert speed[0, 0] > 0.1
        assert speed[1, -1] > 0.05
        touching = first.half[0] + second.half[0]
        assert (x[0] - x[1]).abs().min() > 0.97 * touching
