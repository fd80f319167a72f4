import pytest

from sora_core.errors import ConfigError
from sora_core.world.scene import (
    COLOURS,
    MOTIONS,
    READABLE,
    SHAPES,
    Domain,
    is_held_out,
    sample_scene,
)

SEEDS = range(3000)


def combinations(scene):
    return [(thing.shape, thing.colour, thing.motion) for thing in scene.things]


def test_a_seed_always_gives_the_same_scene_and_another_seed_another():
    scenes = [sample_scene(seed) for seed in range(50)]
    assert scenes == [sample_scene(seed) for seed in range(50)]
    assert len(set(scenes)) == 50


def test_training_never_shows_a_held_out_combination():
    domain = Domain(two_objects=0.4, collisions=0.1, walls=0.1)
    displayed = {what for seed in SEEDS for what in combinations(sample_scene(seed, domain))}
    assert not [what for what in displayed if is_held_out(*what)]


@pytest.mark.slow
def test_held_out_scenes_show_one_thing_in_a_held_out_combination():
    for seed in SEEDS:
        (what,) = combinations(sample_scene(seed, held_out=True))
        assert is_held_out(*what)


def test_about_an_eighth_is_held_out_and_every_word_of_it_is_known_from_training():
    every = [(s, c, m) for s in SHAPES for c in COLOURS for m in MOTIONS]
    preserved = [what for what in every if is_held_out(*what)]
    displayed = {what for seed in SEEDS for what in combinations(sample_scene(seed))}
    assert 0.08 < len(preserved) / len(every) < 0.16
    for place in range(3):
        assert {what[place] for what in preserved} <= {what[place] for what in displayed}


def test_the_shares_of_the_domain_are_kept():
    scenes = [sample_scene(seed) for seed in SEEDS]
    assert sum(len(s.things) == 2 for s in scenes) / 3000 == pytest.approx(0.21, abs=0.03)
    assert sum(s.wall is not None for s in scenes) / 3000 == pytest.approx(0.03, abs=0.015)
    assert sum(s.collision for s in scenes) / 3000 == pytest.approx(0.03, abs=0.015)
    assert sum(s.camera == "static" for s in scenes) / 3000 == pytest.approx(0.52, abs=0.04)


def test_every_motion_can_be_read_under_its_camera():
    for seed in SEEDS:
        scene = sample_scene(seed)
        main = scene.things[0]
        assert main.motion in READABLE[scene.camera]
        assert main.motion != "spin" or main.shape == "cube" or main.pattern == "striped"


def test_nothing_white_lies_on_snow():
    scenes = [sample_scene(seed) for seed in SEEDS]
    snowy = [scene for scene in scenes if scene.floor == "snow"]
    assert snowy
    assert not any(thing.colour == "white" for scene in snowy for thing in scene.things)


def test_a_narrow_domain_gives_nothing_else():
    domain = Domain(shapes=("cone",), floors=("sand",), motions=("left", "still"), two_objects=0.5)
    for seed in range(200):
        scene = sample_scene(seed, domain)
        assert scene.floor == "sand"
        assert {thing.shape for thing in scene.things} == {"cone"}
        assert {thing.motion for thing in scene.things} <= {"left", "still"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"colours": ("mauve",)},
        {"shapes": ()},
        {"walls": 1.5},
        {"motions": ("left",), "cameras": ("orbit",)},
    ],
)
def test_an_impossible_domain_is_refused(wrong):
    with pytest.raises(ConfigError):
        Domain(**wrong)


def test_a_domain_without_training_scenes_says_so():
    shape, colour, motion = next(
        (s, c, m) for s in SHAPES for c in COLOURS for m in MOTIONS if is_held_out(s, c, m)
    )
    domain = Domain(shapes=(shape,), colours=(colour,), motions=(motion,), striped=1.0)
    with pytest.raises(ConfigError, match="no training scene"):
        sample_scene(0, domain)
