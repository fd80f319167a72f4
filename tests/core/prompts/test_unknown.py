from time import process_time

import pytest

from sora_core.prompts.unknown import NAMED, unknown_note, unknown_words
from sora_core.prompts.vocabulary import read_world
from sora_core.world.captions import describe
from sora_core.world.scene import sample_scene


@pytest.fixture(scope="module")
def world():
    return read_world()


@pytest.mark.parametrize(
    "prompt, unknown",
    [
        (
            "a stylish woman walks down a Tokyo street",
            ["stylish", "woman", "walks", "Tokyo", "street"],
        ),
        ("several giant wooly mammoths approach", ["several", "wooly", "mammoths"]),
        ("The camera follows behind a white vintage SUV", ["follows", "vintage", "SUV"]),
        (
            "a Dalmatian looks through a window in Burano",
            ["Dalmatian", "looks", "window", "Burano"],
        ),
        ("(a cat:1.3) beside a blue cube", ["cat"]),
        ("three red cubes to the left of a green cone", ["three"]),
        ("3 balls roll for 3 seconds", ["3", "seconds"]),
        ("a ball and a cat and a cat", ["cat"]),
        ("a mammoth approaches", ["mammoth"]),
        ("a cherry spins on grass", ["cherry"]),
        ("\u7ea2\u7403", ["\u7ea2\u7403"]),
    ],
)
def test_words_that_the_world_does_not_know_are_named_as_written(prompt, unknown, world):
    assert unknown_words(prompt, world) == unknown


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "a red ball rolls to the left on grass",
        "(red ball:1.3) rolls on sand",
        "A ball, no people, without any cars.",
        "It is night. The camera is still, and then a tiny blue cube falls from above.",
        "THE BIG CONE SPINS!",
        "a giant red ball",
        "a cherry ball",
    ],
)
def test_nothing_is_named_where_the_world_knows_every_word(prompt, world):
    assert unknown_words(prompt, world) == []
    assert unknown_note(prompt, world) == ""


def test_no_caption_of_the_world_has_a_word_that_it_does_not_know(world):
    for seed in range(300):
        both = describe(sample_scene(seed), seed)
        assert unknown_words(f"{both.short}. {both.long}", world) == []


def test_a_prompt_of_any_length_is_read_in_no_time_and_noted_in_a_few_words(world):
    start = process_time()
    assert len(unknown_note("wooly mammoth, " * 7000, world)) < 300
    assert len(unknown_note("w" * 100_000, world)) < 300
    assert process_time() - start < 2


def test_a_note_names_some_words_and_counts_the_others(world):
    words = [f"zq{chr(97 + i)}zq" for i in range(NAMED + 5)]
    note = unknown_note(" ".join(words), world)
    assert words[NAMED - 1] in note and words[NAMED] not in note and "and 5 more" in note
