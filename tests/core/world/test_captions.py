import re

import pytest

from sora_core.world import words
from sora_core.world.captions import describe
from sora_core.world.scene import Domain, sample_scene

SEEDS = range(400)
VARIED = Domain(collisions=0.08, walls=0.08)


def message(phrases, text):
    return any(re.search(rf"\b{re.escape(phrase)}\b", text, re.I) for phrase in phrases)


def pairs(still=False):
    for seed in SEEDS:
        scene = sample_scene(seed, VARIED)
        captions = describe(scene, seed, still=still)
        for text in (captions.short, captions.long):
            yield scene, text


def floors_of(floor):
    phrases = words.FLOOR_PHRASES[floor] + words.GROUNDS[floor]
    return phrases + tuple(phrase.replace("across ", "on ") for phrase in phrases)


def test_every_caption_names_the_colour_and_shape_of_everything():
    for scene, text in pairs():
        for thing in scene.things:
            assert message(words.COLOUR_WORDS[thing.colour], text), text
            assert message(words.SHAPE_WORDS[thing.shape], text), text


def test_every_caption_names_the_motion_of_the_main_thing():
    for scene, text in pairs():
        together = ("stand still", "rest side by side", "do not move")
        phrases = words.MOTION_PHRASES[scene.things[0].motion] + together * (len(scene.things) == 2)
        assert message(phrases, text), text


def test_long_captions_say_everything():
    for seed in SEEDS:
        scene = sample_scene(seed, VARIED)
        text = describe(scene, seed).long
        assert message(floors_of(scene.floor), text), text
        assert message(
            words.SKY_PHRASES[scene.sky] + words.LIGHTS[scene.sky], text.replace(".", "")
        ) or any(light in text for light in words.LIGHTS[scene.sky]), text
        assert any(camera in text for camera in words.CAMERA_SENTENCES[scene.camera]), text
        assert all(message(words.SIZE_WORDS[thing.size], text) for thing in scene.things), text
        assert not scene.wall or "wall" in text


def test_most_short_captions_name_the_floor():
    named = 0
    for seed in SEEDS:
        scene = sample_scene(seed)
        named += message(floors_of(scene.floor), describe(scene, seed).short)
    assert 0.75 < named / len(SEEDS) < 0.95


def test_no_caption_names_a_shape_floor_sky_or_camera_that_is_not_there():
    for scene, text in pairs():
        shapes = {thing.shape for thing in scene.things}
        for shape in set(words.SHAPE_WORDS) - shapes:
            assert not message(words.SHAPE_WORDS[shape], text), text
        for floor in set(words.FLOOR_PHRASES) - {scene.floor}:
            assert not message(floors_of(floor), text), text
        for sky in set(words.SKY_PHRASES) - {scene.sky}:
            assert not message(words.SKY_PHRASES[sky], text), text
        for camera in set(words.CAMERA_SENTENCES) - {scene.camera}:
            named = words.CAMERA_SENTENCES[camera] + words.WITH_CAMERA[camera]
            assert not any(phrase.lower() in text.lower() for phrase in named), text


def test_no_caption_names_a_motion_that_does_not_happen():
    only_word = {"left": "left|leftwards", "right": "right|rightwards"}
    for scene, text in pairs():
        if scene.camera.startswith("pan"):
            continue
        moving = {thing.motion for thing in scene.things}
        text = text.replace("from left to right", "rightwards")
        text = text.replace("from right to left", "leftwards")
        for motion, pattern in only_word.items():
            assert motion in moving or not re.search(rf"\b({pattern})\b", text, re.I), text
        for motion in {"bounce", "fall", "spin"} - moving:
            assert not message(words.MOTION_PHRASES[motion], text), text


def test_a_still_caption_tells_of_no_motion():
    moves = (
        "roll|slid|glid|mov|bounc|fall|drop|spin|rotat|twirl|hops|jump|leftwards|rightwards|passes|"
        "hits|camera|shot|zoom|pan|orbit"
    )
    for _, text in pairs(still=True):
        assert not re.search(rf"\b({moves})", text.replace("plank", ""), re.I), text


def test_articles_fit_the_word_that_follows():
    for _, text in pairs():
        assert not re.search(r"\ba [aeiou]", text, re.I), text
        assert not re.search(r"\ban [^aeiou]", text, re.I), text


def test_a_seed_gives_the_same_words_and_seeds_vary_them():
    scene = sample_scene(2)
    assert describe(scene, 7) == describe(scene, 7)
    assert len({describe(scene, seed).long for seed in range(100)}) > 80


@pytest.mark.parametrize("still", [False, True])
def test_no_word_is_doubled(still):
    for _, text in pairs(still):
        text = text.replace("nearer and nearer", "")
        assert not re.search(r"\b(\w+) \1\b", text, re.I), text
