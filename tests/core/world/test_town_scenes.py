import itertools

import numpy as np
import pytest

from sora_core.errors import ConfigError
from sora_core.world.town.bodies import thing_rows
from sora_core.world.town.motion import FALL_GRAVITY, centres, path
from sora_core.world.town.recipes import (
    SCENES,
    held_out_combinations,
    scene_of,
)
from sora_core.world.town.relations import relation_holds
from sora_core.world.town.sample import sample_clip_spec, sample_town
from sora_core.world.town.scene import (
    KINDS,
    TOWN_COLOURS,
    Move,
    Shot,
    Stage,
    TownScene,
    TownThing,
    View,
    is_held_out_kind,
    is_held_out_pair,
)

ZERO = np.zeros(1)
MOTIONS = ("left", "right", "toward", "away", "bounce", "fall", "spin", "jump", "still")


def inside(row, points):
    """Which points lie inside a primitive of the ray caster."""
    own = (points - row[4:7]) @ row[7:16].reshape(3, 3)
    x, y, z = (own / row[1:4]).T
    match int(row[0]):
        case 0:
            return x**2 + y**2 + z**2 < 1
        case 1:
            return np.abs([x, y, z]).max(axis=0) < 1
        case 2:
            return (x**2 + z**2 < 1) & (abs(y) < 1)
        case _:
            return (np.hypot(x, z) < (1 - y) / 2) & (abs(y) < 1)


def overlap(first, second):
    """The points of a fine lattice that are inside both things when the stage's clock is 0."""
    rows, others = thing_rows(first, ZERO, 0)[0], thing_rows(second, ZERO, 0)[0]
    low = (rows[:, 4:7] - np.linalg.norm(rows[:, 1:4], axis=1)[:, None]).min(axis=0)
    high = (rows[:, 4:7] + np.linalg.norm(rows[:, 1:4], axis=1)[:, None]).max(axis=0)
    axes = [np.linspace(a, b, 24) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    own = np.any([inside(row, points) for row in rows], axis=0)
    return int(np.any([inside(row, points[own]) for row in others], axis=0).sum())


@pytest.mark.parametrize("kind", SCENES)
def test_nothing_shares_space_at_the_start(kind):
    for seed in range(6):
        for shot in scene_of(kind, seed, 2.0).shots:
            for first, second in itertools.combinations(shot.stage.things, 2):
                assert overlap(first, second) == 0, (seed, first.kind, second.kind)


def test_the_overlap_check_finds_two_things_in_one_place():
    assert overlap(TownThing("cat", "black"), TownThing("cube", "red")) > 50


@pytest.mark.parametrize("kind", SCENES)
@pytest.mark.parametrize("seconds", [0.5, 2.0, 8.0])
def test_every_kind_is_drawn_at_every_length_and_the_same_again(kind, seconds):
    scene = scene_of(kind, 7, seconds)
    assert scene == scene_of(kind, 7, seconds)
    assert scene.kind == kind


def test_at_least_one_combination_in_nine_is_held_out():
    chosen = [is_held_out_kind(*c) for c in itertools.product(KINDS, TOWN_COLOURS, MOTIONS)]
    pairs = itertools.product(KINDS, ("left of", "behind", "on", "hit", "push"), KINDS)
    held = [is_held_out_pair(*pair) for pair in pairs]
    assert np.mean(chosen) >= 1 / 9
    assert np.mean(held) >= 1 / 9


def test_training_never_shows_a_held_out_combination_and_held_out_scenes_do():
    for seed in range(120):
        assert not held_out_combinations(sample_town(seed))
        assert held_out_combinations(sample_town(seed, held_out=True))


def test_a_fall_gains_speed_as_gravity_says():
    thing = next(t for t in scene_of("fall", 3).things if any(m.verb == "fall" for m in t.moves))
    start = next(m.start for m in thing.moves)
    clock = start + np.arange(6) / 24
    height = centres(thing, clock)[:, 1]
    np.testing.assert_allclose(np.diff(height, 2) * 24**2, -FALL_GRAVITY, atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["collide", "push", "knock_over"])
def test_the_first_moves_until_it_touches_the_second_which_stood_still(kind, seed):
    stage = scene_of(kind, seed).shots[0].stage
    contact = stage.contacts[0]
    first, second = stage.things[contact.first], stage.things[contact.second]
    clock = np.array([0.0, contact.time, contact.time + 0.4])
    x, target = path(first, clock)[0], path(second, clock)[0]
    assert abs(x[1] - x[0]) > 0.05
    assert target[1] == target[0]
    assert overlap_at(first, second, contact.time - 1e-3) == 0
    moved = thing_rows(second, clock, 0)[:, :, 4:7]
    assert np.abs(moved[2] - moved[1]).max() > 0.1


def overlap_at(first, second, clock):
    at = np.array([clock])
    rows, others = thing_rows(first, at, 0)[0], thing_rows(second, at, 0)[0]
    points = np.concatenate([row[4:7] + spread(row) for row in rows])
    return int(np.any([inside(row, points) for row in others], axis=0).sum())


def spread(row):
    lattice = np.stack(np.meshgrid(*[np.linspace(-0.99, 0.99, 9)] * 3), axis=-1).reshape(-1, 3)
    unit = row.copy()
    unit[4:7] = 0
    points = (lattice * row[1:4]) @ row[7:16].reshape(3, 3).T
    return points[inside(unit, points)]


@pytest.mark.parametrize("relation", ["left of", "right of", "behind", "in front of", "on"])
def test_a_relation_asked_for_is_there(relation):
    for seed in range(8):
        scene = scene_of("relation", seed, relation=relation)
        assert relation_holds(relation, scene.shots[0], (0, 1), ZERO)


def test_what_is_asked_is_drawn():
    scene = scene_of(
        "walk", 1, thing="dog", colour="brown", floor="snow", sky="night", camera="rise"
    )
    shot = scene.shots[0]
    assert (shot.stage.things[0].kind, shot.stage.things[0].colour) == ("dog", "brown")
    assert (shot.stage.floor, shot.stage.sky, shot.view.camera) == ("snow", "night", "rise")


def test_clip_specs_have_all_rates_and_many_shapes_and_lengths():
    specs = [sample_clip_spec(seed) for seed in range(300)]
    assert {spec.fps for spec in specs} == {8.0, 12.0, 16.0, 24.0}
    assert {1, 17, 65} <= {spec.size.frames for spec in specs}
    shapes = {round(spec.size.width / spec.size.height, 2) for spec in specs}
    assert min(shapes) < 0.6 and max(shapes) > 1.7


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: scene_of("explode", 0),
        lambda: scene_of("fall", 0, 0.1),
        lambda: scene_of("count", 0, count=9),
        lambda: scene_of("relation", 0, relation="inside"),
        lambda: scene_of("still", 0, colour="mauve"),
        lambda: sample_clip_spec(0, sizes=()),
        lambda: TownThing("unicorn", "red"),
        lambda: TownThing("ball", "red", moves=(Move("fly"),)),
        lambda: Move("go", 2.0, 1.0),
        lambda: Stage((TownThing("ball", "red"), TownThing("cube", "blue"))),
        lambda: View("spiral"),
        lambda: TownScene((Shot(Stage(())), Shot(Stage(()), start=0.0))),
    ],
)
def test_a_wrong_argument_is_named(wrong):
    with pytest.raises(ConfigError):
        wrong()
