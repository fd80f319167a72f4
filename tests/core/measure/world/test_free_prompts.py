"""The free prompts: enough of each group, well-formed, none that our templates produce."""

import re
from collections import Counter

import pytest

from sora_core.errors import ConfigError
from sora_core.measure.expansion import HELD_OUT_FOLDER
from sora_core.measure.world.free import reported
from sora_core.measure.world.free_prompts import GROUPS, DemandedFacts, FreePrompt, free_prompts
from sora_core.prompts.vocabulary import read_world
from sora_core.world import words

LINKS = re.compile(
    r"\b(an?|the|and|while|beside|next to|near|past|in front of|floor|ground|is|it|"
    r"stands?|rests?|sits?|still|side by side|do not move|in the air|hangs|floats)\b"
)


def template_phrases():
    """Every phrase of the caption grammar, the longest first."""
    found = set()
    for table in vars(words).values():
        entries = table.values() if isinstance(table, dict) else [table]
        for phrases in entries:
            if isinstance(phrases, tuple):
                found |= {plain(phrase) for phrase in phrases}
    return sorted(found, key=len, reverse=True)


def plain(text):
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def left_over(prompt):
    """What remains of `prompt` without the phrases and the links that captions are built from."""
    text = plain(prompt)
    for phrase in template_phrases():
        text = re.sub(rf"\b{phrase}\b", " ", text)
    return LINKS.sub(" ", text).split()


def test_each_group_has_thirty_prompts_that_the_world_can_show():
    displayed = Counter(prompt.group for prompt in free_prompts() if prompt.shows)
    assert all(displayed[group] >= 30 for group in GROUPS)


def test_each_group_has_prompts_that_the_world_cannot_show_and_names_the_words():
    refused = Counter(prompt.group for prompt in free_prompts() if prompt.cannot)
    assert all(refused[group] >= 3 for group in GROUPS)


def test_no_prompt_is_there_twice():
    counts = Counter(plain(prompt.prompt) for prompt in free_prompts())
    assert counts.most_common(1)[0][1] == 1


def test_no_prompt_consists_of_phrases_of_the_caption_grammar():
    assert [p.prompt for p in free_prompts() if not left_over(p.prompt)] == []


@pytest.mark.parametrize(
    "caption",
    (
        "a red ball rolls to the left on grass by day, static camera",
        "A big blue cube stands still on sand. The camera pans left.",
    ),
)
def test_a_caption_of_the_grammar_has_nothing_left_over(caption):
    assert left_over(caption) == []


def test_no_prompt_is_in_the_sets_that_the_expansion_is_checked_with():
    used = {
        plain(line.partition("=>")[0])
        for name in ("world.txt", "terse.txt", "general.txt")
        for line in (HELD_OUT_FOLDER / name).read_text(encoding="utf-8").splitlines()
    }
    assert [p.prompt for p in free_prompts() if plain(p.prompt) in used] == []


@pytest.mark.parametrize(
    ("line", "message"),
    (
        ('{"group": "two"', "line 1"),
        ('{"group": "toys", "prompt": "x", "shows": true, "floor": "sand"}', "group 'toys'"),
        ('{"group": "two", "prompt": "x", "shows": true, "floor": "lava"}', "floor 'lava'"),
        ('{"group": "two", "prompt": "x", "shows": true, "colour": "red"}', "colour: not a field"),
        ('{"group": "two", "prompt": "x", "shows": true}', "no facts"),
        ('{"group": "two", "prompt": "x", "shows": false}', "if and only if"),
        ('{"group": "two", "prompt": "x", "shows": false, "cannot": ["y"]}', "does not have it"),
        (
            '{"group": "two", "prompt": "x", "shows": true, "things": [{"name": "a", "count": 9}]}',
            "count 9",
        ),
        (
            '{"group": "two", "prompt": "x", "shows": true, "relations": [["a", "on", "b"]]}',
            "name 'a'",
        ),
    ),
)
def test_a_line_that_is_no_prompt_is_refused_with_its_number(tmp_path, line, message):
    file = tmp_path / "free.jsonl"
    file.write_text(line)
    with pytest.raises(ConfigError, match=re.escape(message)):
        free_prompts(file)


def test_a_prompt_counts_as_reported_only_with_a_word_of_every_strange_phrase():
    def prompt(text, *cannot):
        return FreePrompt("order", text, False, DemandedFacts(), cannot)

    world = read_world()
    assert reported(prompt("a chef chops onions", "chef", "onions"), world)
    assert not reported(prompt("a chef rolls to the left", "chef", "rolls"), world)


def test_strange_words_of_prompts_beyond_the_world_are_reported():
    world = read_world()
    beyond = [prompt for prompt in free_prompts() if not prompt.shows]
    assert sum(reported(prompt, world) for prompt in beyond) >= 0.9 * len(beyond)
