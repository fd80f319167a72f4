"""Expansions of general prompts: details of what the prompt names, and no frequent sentence."""

import re
from collections import Counter
from itertools import product

import pytest

from sora_core.prompts.cinematic import FILM_STYLES
from sora_core.prompts.expansion import expand, read_language

LANGUAGE = read_language()
SUBJECTS = (
    "a woman",
    "two dogs",
    "an old sailor",
    "a fox",
    "a red car",
    "a robot",
    "an owl",
    "a bowl of soup",
    "a violin",
    "a paper boat",
)
PLACES = (
    "in a city street",
    "in a forest",
    "on a beach at sunset",
    "in a kitchen",
    "in deep snow",
    "by a river in fog",
    "in a library",
    "in the desert at noon",
    "at a market in the rain",
    "on a mountain at night",
)
MIXED = [f"{subject} {place}" for subject, place in product(SUBJECTS, PLACES)]
DOINGS = (
    "walks",
    "waits",
    "turns",
    "looks up",
    "stops",
    "talks",
    "reads",
    "eats",
    "leaves",
    "runs",
)
WHO = ("man", "woman", "girl", "boy", "nurse", "waiter", "student", "couple", "friend", "dancer")
ONE_KIND = [f"a {who} {doing} in a city street" for who, doing in product(WHO, DOINGS)]
NONSENSE = [f"zorb{i} frungled a quix{i * 7}" for i in range(100)]


def pieces(expansion, style):
    """The added sentences, or for tags the added tags."""
    text = " ".join(expansion.added).lower().rstrip(".")
    return set(text.split(", " if style == "wan" else ". ")) - {""}


@pytest.mark.parametrize("seeds", [[0] * 100, range(100)], ids=["one seed", "100 seeds"])
@pytest.mark.parametrize("style", FILM_STYLES)
@pytest.mark.parametrize("prompts", [MIXED, ONE_KIND, NONSENSE], ids=["mixed", "city", "nonsense"])
def test_no_sentence_occurs_in_over_a_tenth_of_100_expansions(prompts, style, seeds):
    counts = Counter()
    for prompt, seed in zip(prompts, seeds, strict=True):
        counts.update(pieces(expand(prompt, LANGUAGE, style=style, seed=seed), style))
    assert len(counts) > 100
    assert [piece for piece, count in counts.items() if count > 10] == []


@pytest.mark.parametrize("style", FILM_STYLES)
def test_most_prompts_get_details_of_what_they_name(style):
    details = {
        add.pattern.tag if style == "wan" else add.pattern.sentence
        for slot in ("setting", "detail", "air")
        for add in LANGUAGE.cinema.adds[slot]
    }
    detailed = sum(
        any(
            pattern.fullmatch(piece)
            for piece in pieces(expand(prompt, LANGUAGE, style=style), style)
            for pattern in details
        )
        for prompt in MIXED
    )
    assert detailed >= 85


@pytest.mark.parametrize("style", FILM_STYLES)
def test_one_seed_gives_one_text_and_other_additions_to_other_prompts(style):
    added = [expand(f"take {i}", LANGUAGE, style=style, seed=7).added for i in range(50)]
    assert added == [expand(f"take {i}", LANGUAGE, style=style, seed=7).added for i in range(50)]
    assert len(set(added)) > 45


@pytest.mark.parametrize(
    ("prompt", "banned"),
    [
        ("a watercolor painting of a fox in a forest", r"lens|focus|\d+mm|skin"),
        ("an anime girl in a city street", r"lens|focus|\d+mm|pore"),
        ("a forest, no leaves, no moss", r"lea(f|ves)|moss"),
        ("a city street without bicycles or posters", r"bicycle|poster"),
        ("a fox in the woods at night", r"sun\w*|day\w*|bright light|warm|golden"),
        ("a beach at noon", r"night|moon\w*|stars?|amber|dusk"),
        ("a woman in a kitchen", r"sky|horizon|street|trees?"),
        ("an empty street", r"posters|bicycles|crates"),
        ("aerial view of a city with cars", r"close-up|skin|bumper|rivets"),
        ("a man, not at night, no camera movement", r"night|push|pan|arc|glides"),
        ("a toy car on a carpet", r"mud|road|panel"),
    ],
)
@pytest.mark.parametrize("style", FILM_STYLES)
def test_nothing_added_contradicts_the_prompt(prompt, banned, style):
    for seed in range(40):
        added = " ".join(expand(prompt, LANGUAGE, style=style, seed=seed).added).lower()
        assert not re.search(rf"\b({banned})\b", added), added


def test_details_name_the_subject_in_the_words_of_the_prompt():
    texts = [
        " ".join(expand("three huskies and a corgi", LANGUAGE, style="general", seed=i).added)
        for i in range(20)
    ]
    assert any("of the corgi" in text for text in texts)
    assert not any("dog" in text for text in texts)


@pytest.mark.parametrize("style", FILM_STYLES)
def test_an_expansion_is_not_expanded_again_with_another_seed(style):
    for i, prompt in enumerate(MIXED):
        text = expand(prompt, LANGUAGE, style=style, seed=i).text
        assert expand(text, LANGUAGE, style=style, seed=i + 1).text == text


def test_a_prompt_of_2000_characters_stays_as_it_is():
    prompt = ("a fox in a forest and " * 100)[:1995].strip()
    assert expand(prompt, LANGUAGE, style="general").text == prompt
