"""The vocabulary of the expander agrees with the world's own, which it may not import."""

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
        ("floor", "trained", {name: on(ways) for name, ways in words.FLOOR_PHRASES.items()}),
        (
            "motion",
            "trained",
            {
                name: {*ways, *CLOSER.get(name, ()), *(TOGETHER if name == "still" else ())}
                for name, ways in words.MOTION_PHRASES.items()
            },
        ),
    ],
)
def test_trained_words_are_the_words_of_the_world(slot, variant, theirs):
    ours = {value: set(ways[variant]) for value, ways in WORLD.table[slot].items()}
    assert ours == {value: set(ways) for value, ways in theirs.items()}


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
        for value, ways in values.items():
            for phrase in ways["also"]:
                (found,) = WORLD.phrases.find(heard(phrase))
                assert (found.meaning.slot, found.meaning.value) == (slot, value), phrase


def test_each_addition_speaks_of_its_own_slot():
    cinema = read_cinema()
    for slot, adds in cinema.adds.items():
        for add in adds:
            assert slot in film_facts(add.tag, cinema).slots, add.tag
            assert slot in film_facts(add.sentence, cinema).slots, add.sentence


def test_templates_name_known_slots():
    cinema = read_cinema()
    for style in FILM_STYLES:
        template = cinema.templates[style]
        assert {*template["full"], *template["light"]} <= set(cinema.adds)
