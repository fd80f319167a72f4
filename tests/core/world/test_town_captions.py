from collections import Counter
from dataclasses import replace

import pytest

from sora_core.errors import ConfigError
from sora_core.world.town.captions import STYLES, describe_town
from sora_core.world.town.facts import Fact, facts_of
from sora_core.world.town.recipes import SCENES, scene_of
from sora_core.world.town.sample import sample_clip_spec
from sora_core.world.town.scene import TOWN_COLOURS, TOWN_FLOORS, TOWN_SKIES
from tests.support.town_facts import holds_in

SPECS = 500


@pytest.mark.parametrize("first", range(0, SPECS, 100))
def test_every_fact_that_a_caption_states_holds(first):
    for seed in range(first, first + 100):
        spec = sample_clip_spec(seed)
        caption = describe_town(spec.scene, seed, spec.seconds)
        wrong = [f for f in caption.facts if not holds_in(f, spec.scene, spec.seconds)]
        assert caption.facts and not wrong, (seed, caption.text, wrong)


@pytest.mark.parametrize("kind", SCENES)
def test_every_true_fact_holds(kind):
    for seed in range(4):
        scene = scene_of(kind, seed, 2.0)
        wrong = [fact for fact in facts_of(scene, 2.0) if not holds_in(fact, scene, 2.0)]
        assert not wrong, (seed, wrong)


def other(words, word):
    return next(w for w in words if w != word)


@pytest.mark.parametrize("seed", range(40))
def test_a_fact_about_another_scene_does_not_hold(seed):
    spec = sample_clip_spec(seed)
    words = {"colour": TOWN_COLOURS, "floor": TOWN_FLOORS, "sky": TOWN_SKIES}
    for fact in facts_of(spec.scene, spec.seconds):
        if fact.what in words:
            wrong = replace(fact, value=other(words[fact.what], fact.value))
            assert not holds_in(wrong, spec.scene, spec.seconds)
            assert holds_in(replace(wrong, negated=True), spec.scene, spec.seconds)
        if fact.what == "count":
            wrong = replace(fact, value=str(int(fact.value) + 1))
            assert not holds_in(wrong, spec.scene, spec.seconds)


@pytest.mark.parametrize("seed", range(12))
def test_motions_the_other_way_round_do_not_hold(seed):
    scene = scene_of("roll", seed)
    swap = {"left": "right", "right": "left", "toward": "away", "away": "toward"}
    for fact in facts_of(scene, 2.0):
        if fact.what == "motion" and fact.value in swap:
            assert not holds_in(replace(fact, value=swap[fact.value]), scene, 2.0)


@pytest.mark.parametrize("relation", ["left of", "right of", "behind", "in front of", "on"])
def test_a_relation_turned_around_does_not_hold(relation):
    scene = scene_of("relation", 5, relation=relation)
    fact = Fact("relation", relation, 0, 1)
    assert holds_in(fact, scene, 0.0)
    assert not holds_in(replace(fact, thing=1, other=0), scene, 0.0)


def test_a_caption_of_a_still_states_nothing_that_moves():
    moving = {"motion", "contact", "light", "lamp", "recolour", "stroke", "visible", "camera"}
    for kind in SCENES:
        for seed in range(3):
            caption = describe_town(scene_of(kind, seed), seed, 0.0)
            assert not moving & {fact.what for fact in caption.facts}, caption.text


def test_captions_have_all_styles_and_many_words():
    captions = [describe_town(scene_of("relation", seed), seed) for seed in range(200)]
    assert {caption.style for caption in captions} == set(STYLES)
    assert len({caption.text for caption in captions}) > 195
    counts = Counter(fact.what for caption in captions for fact in caption.facts)
    assert counts["relation"] > 80 and any(f.negated for c in captions for f in c.facts)


def test_long_captions_are_longer_than_short_ones():
    lengths = {
        style: sum(len(describe_town(scene_of("walk", s), s, style=style).text) for s in range(40))
        for style in ("short", "medium", "long")
    }
    assert lengths["short"] < lengths["medium"] < lengths["long"]


def test_shots_are_named_in_order():
    texts = [describe_town(scene_of("storyboard", s), s, 2.0).text for s in range(60)]
    assert any(text.startswith("Shot 1: ") and "Shot 2: " in text for text in texts)
    assert any(text.startswith("0-1s: ") and "1-2s: " in text for text in texts)
    assert any("ut to " in text for text in texts)


@pytest.mark.parametrize(("seconds", "style"), [(-1.0, None), (float("inf"), None), (2.0, "haiku")])
def test_a_wrong_length_or_style_is_refused(seconds, style):
    with pytest.raises(ConfigError):
        describe_town(scene_of("still", 0), 0, seconds, style)
