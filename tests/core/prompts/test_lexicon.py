"""The vocabulary of the expander agrees with the world's own, which it may not import."""

import re

import pytest

from sora_core.prompts.cinematic import FILM_STYLES, film_facts, read_cinema
from sora_core.prompts.vocabulary import read_world
from sora_core.prompts.words import words as heard
from sora_core.world import scene, words

WORLD = read_world()
TOGETHER = {"stand still", "rest side by side", "do not move"}
CLOSER = {
    "toward": {
        f"{verb} {variant}"
        for verb in ("comes", "moves")
        for variant in ("closer to the camera", "nearer and nearer")
    },
    "away": {"moves farther away", "drifts farther away"},
}


def on(phrases):
    return {*phrases, *(phrase.replace("across ", "on ") for phrase in phrases)}


@pytest.mark.parametrize(
    "slot, variant, theirs",
    [
        ("colour", "trained", words.COLOUR_WORDS),
        ("shape", "trained", words.SHAPE_WORDS),
        ("size", "trained", words.SIZE_WORDS),
        ("verb", "trained", words.VERBS),
        ("sky", "trained", words.SKY_PHRASES),
        ("sky", "alone", words.LIGHTS),
        ("floor", "alone", words.GROUNDS),
        ("camera", "trained", words.WITH_CAMERA),
        ("camera", "alone", words.CAMERA_SENTENCES),
        ("floor", "trained", {name: on(phrases) for name, phrases in words.FLOOR_PHRASES.items()}),
        (
            "motion",
            "trained",
            {
                name: {*phrases, *CLOSER.get(name, ()), *(TOGETHER if name == "still" else ())}
                for name, phrases in words.MOTION_PHRASES.items()
            },
        ),
    ],
)
def test_trained_words_are_the_words_of_the_world(slot, variant, theirs):
    ours = {value: set(phrases[variant]) for value, phrases in WORLD.table[slot].items()}
    assert ours == {value: set(phrases) for value, phrases in theirs.items()}


def test_what_is_filled_in_exists_and_stays_readable():
    fill = WORLD.fill
    assert set(fill["colour"]) == set(scene.COLOURS)
    assert set(fill["floor"]) == set(scene.FLOORS)
    assert set(fill["sky"]) == set(scene.SKIES)
    assert {*fill["camera"], *fill["camera instead"]} <= set(scene.CAMERAS)
    for camera, motions in fill["motion"].items():
        assert set(motions) <= set(scene.READABLE[camera])
    assert set(fill["motion"]) == set(scene.CAMERAS)


def test_an_untrained_word_has_one_meaning():
    for slot, values in WORLD.table.items():
        for value, phrases in values.items():
            for phrase in phrases["also"]:
                (found,) = WORLD.phrases.find(heard(phrase))
                assert (found.meaning.slot, found.meaning.value) == (slot, value), phrase


@pytest.mark.parametrize("slot", ["shot", "camera", "lens", "light"])
def test_each_addition_about_filming_states_its_own_slot(slot):
    cinema = read_cinema()
    for add in cinema.adds[slot]:
        for as_tag in (False, True):
            for seed in range(20):
                wording = add.pattern.wording(seed, "", "", as_tag)
                assert slot in film_facts(wording, cinema).slots or "focus" in wording, wording


def test_an_addition_needs_and_excludes_tags_that_exist():
    cinema = read_cinema()
    known = {
        f"{meaning.slot}:{meaning.value}"
        for phrases in cinema.phrases.values()
        for meaning in phrases.meanings.values()
    }
    for adds in cinema.adds.values():
        for add in adds:
            assert {*add.needs, *add.unless} <= known, add.pattern.text


def test_every_wording_is_recognised_and_is_one_sentence_or_one_tag():
    cinema = read_cinema()
    for adds in cinema.adds.values():
        for pattern in (add.pattern for add in adds):
            for seed in range(20):
                sentence = pattern.wording(seed, "", "old fox", False)
                tag = pattern.wording(seed, "", "old fox", True)
                assert pattern.sentence.fullmatch(sentence[:-1].lower()), sentence
                assert pattern.tag.fullmatch(tag.lower()), tag
                assert not set(",.!?[]{}<>|") & set(sentence[:-1] + tag), (sentence, tag)
                assert not re.search(r"\b(a [aeio]|an [^aeio8])", sentence.lower()), sentence


def test_templates_name_known_slots():
    cinema = read_cinema()
    for style in FILM_STYLES:
        template = cinema.templates[style]
        assert {*template["full"], *template["light"]} <= set(cinema.adds)
