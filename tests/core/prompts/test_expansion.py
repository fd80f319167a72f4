"""Fact keeping on 300 prompts written for this test, read by other means than the parser's."""

import re
import time
from pathlib import Path

import pytest

from sora_core.errors import PromptError
from sora_core.prompts.expansion import STYLES, expand, read_language
from sora_core.world import scene, words
from sora_core.world.captions import describe
from sora_core.world.scene import sample_scene

HERE = Path(__file__).parent
LANGUAGE = read_language()


def floor_words(floor):
    ways = words.FLOORS[floor] + words.GROUNDS[floor]
    return ways + tuple(way.replace("across ", "on ") for way in ways)


SETTING = {
    "floor": {floor: floor_words(floor) for floor in words.FLOORS},
    "sky": {sky: words.SKIES[sky] + words.LIGHTS[sky] for sky in words.SKIES},
    "camera": {
        camera: words.CAMERAS[camera] + words.WITH_CAMERA[camera] for camera in words.CAMERAS
    },
}
NOUN = re.compile(
    r"(?:(small|little|tiny|medium-sized|mid-sized|medium|large|big|huge),? )?"
    r"(?:(striped|\w+) )??(red|orange|yellow|green|blue|purple|white) (ball|cube|cylinder|cone)"
)

CONFLICTS = {
    "night": r"\b(day|sun|sunny|sunlight|daylight|clear natural)\b",
    "day": r"\b(night|moon|low|interior)\b",
    "low": r"\b(night|noon|moon|clear natural)\b",
    "near": r"\b(wide|full|medium) shot|deep focus|24mm",
    "wide": r"\b(close-up|medium|full shot|85mm|shallow)\b",
    "static": r"\b(pan|push|tracking|follow|follows|travels)\b",
    "moving": r"\b(camera|pan|push|tracking|steady|static)\b",
    "travel": r"\bholds steady|static\b",
    "underwater": r"\b(sun|sky|daylight|interior|warm)\b",
    "space": r"\b(sky|daylight|natural light|interior|blue)\b",
    "drawn": r"\b(mm|lens|shot on|35mm|50mm|85mm|24mm)\b",
    "grey": r"\b(warm|colou?r|blue|golden)\b",
    "wet": r"\b(sun|clear|warm)\b",
    "mist": r"\b(clear natural|warm)\b",
    "light": r"\blight\b",
    "pace": r"\bmotion\b",
    "mood": r"\b(mood|atmosphere)\b",
    "lens": r"\blens\b",
}


def prompts(name):
    """Each prompt of a file with what was written down about it."""
    for line in (HERE / f"{name}_prompts.txt").read_text(encoding="utf-8").splitlines():
        prompt, _, facts = line.partition(" => ")
        yield prompt, facts.strip()


def said(phrases, text):
    heard = " " + re.sub(r"[^a-z]+", " ", text.lower()).strip() + " "
    return any(f" {re.sub(r'[^a-z]+', ' ', p.lower()).strip()} " in heard for p in phrases)


def facts_of(text):
    """The things of an expansion, in order, each with its attributes and its motion."""
    found = list(NOUN.finditer(text.lower()))
    ends = [noun.start() for noun in found[1:]] + [len(text)]
    things = []
    for noun, end in zip(found, ends, strict=True):
        clause = text[noun.end() : end].partition(".")[0]
        size, pattern, colour, shape = noun.groups()
        moves = [move for move, ways in words.MOTIONS.items() if said(ways, clause)]
        sizes = [value for value, ways in words.SIZES.items() if size in ways]
        things.append(({*sizes, pattern, colour, shape}, moves))
    return things


def setting_of(text):
    return {
        slot: [value for value, ways in values.items() if said(ways, text)]
        for slot, values in SETTING.items()
    }


def world_faults(prompt, facts, text):
    """What an expansion lost or contradicts."""
    if facts == "kept":
        later = text[len(prompt) :]
        lost = [] if text.lower().startswith(prompt.lower().rstrip(".")) else ["words"]
        return lost + [f"{n} {v}" for n, v in setting_of(later).items() if len(v) > 1]
    things, setting = facts_of(text), setting_of(text)
    faults = [f"{name} {values}" for name, values in setting.items() if len(values) != 1]
    asked = [part.split() for part in facts.split(" ; ")]
    if len(things) != len(asked):
        return [f"{len(things)} things"]
    for (attributes, moves), values in zip(things, asked, strict=True):
        for value in values:
            value = value.replace("-", " ")
            if value in scene.MOTIONS:
                right = moves in ([value], []) if len(things) == 2 else moves == [value]
                right = right and said(words.MOTIONS[value] + ("stand still",), text)
            elif value in (*scene.FLOORS, *scene.SKIES, *scene.CAMERAS):
                right = [value] in setting.values()
            else:
                right = value in attributes
            faults += [] if right else [value]
    return faults


@pytest.mark.parametrize("level", ["light", "full"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_a_world_prompt_states_is_said_once_and_nothing_against_it(seed, level):
    faults = {}
    for prompt, facts in prompts("world"):
        told = expand(prompt, LANGUAGE, level=level, seed=seed).text
        if found := world_faults(prompt, facts, told):
            faults[prompt] = (told, found)
    assert faults == {}


@pytest.mark.parametrize("style", STYLES[1:])
@pytest.mark.parametrize("seed", [0, 1])
def test_what_a_general_prompt_states_stays_word_for_word_and_uncontradicted(seed, style):
    faults = {}
    for prompt, tags in prompts("general"):
        told = expand(prompt, LANGUAGE, style=style, seed=seed)
        assert told.text.lower().startswith(prompt.lower()), told.text
        for tag in tags.split():
            if clash := re.search(CONFLICTS[tag], " ".join(told.added).lower()):
                faults[prompt, tag] = clash[0]
    assert faults == {}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("level", ["light", "full"])
def test_expanding_twice_adds_nothing(style, level):
    for name in ("world",) if style == "sora-mini" else ("general",):
        for seed, (prompt, _) in enumerate(prompts(name)):
            once = expand(prompt, LANGUAGE, style=style, level=level, seed=seed)
            twice = expand(once.text, LANGUAGE, style=style, level=level, seed=seed)
            assert (twice.text, twice.added) == (once.text, ()), prompt


def test_there_are_300_prompts_and_each_takes_few_milliseconds():
    times = []
    for style, name in (("sora-mini", "world"), ("general", "general")):
        for prompt, _ in prompts(name):
            start = time.perf_counter()
            expand(prompt, LANGUAGE, style=style)
            times.append(1000 * (time.perf_counter() - start))
    times.sort()
    print(f"expansion: median {times[150]:.2f} ms, 95 % under {times[285]:.2f} ms")
    assert len(times) == 300
    assert times[150] < 5


def test_the_captions_a_model_was_trained_on_come_back_unchanged():
    for seed in range(100):
        caption = describe(sample_scene(seed), seed).long
        assert expand(caption, LANGUAGE, seed=seed).text == caption


def test_a_seed_gives_the_same_words_and_other_seeds_give_others():
    told = {expand("a red ball", LANGUAGE, seed=seed).text for seed in [*range(20), *range(20)]}
    assert 10 < len(told) <= 20


def test_terse_words_become_the_trained_ones_and_the_diff_says_so():
    told = expand("crimson orb drifts west", LANGUAGE)
    assert "red ball rolls to the left" in told.text
    assert '= colour: crimson as "red"' in told.diff()
    assert "+ camera: static" in told.diff()


def test_off_changes_nothing():
    assert expand("crimson orb", LANGUAGE, level="off").text == "crimson orb"


@pytest.mark.parametrize(
    "text",
    [
        "un gato rojo corre por la playa",
        "ein roter Ball rollt nach links",
        "une balle rouge roule sur le sable",
        "\u7ea2\u8272\u7684\u7403\u5411\u5de6\u6eda\u52a8",
        "\u043a\u0440\u0430\u0441\u043d\u044b\u0439 \u0448\u0430\u0440",
        "\u0643\u0631\u0629 \u062d\u0645\u0631\u0627\u0621",
    ],
)
@pytest.mark.parametrize("style", STYLES)
def test_other_languages_come_back_as_they_are_with_a_note(text, style):
    told = expand(text, LANGUAGE, style=style)
    assert (told.text, told.note) == (text, "not in English: left as it is")


def test_negated_values_are_never_filled_in():
    for seed in range(40):
        told = expand("a ball, not red, not at night, not on snow", LANGUAGE, seed=seed).text
        assert not re.search(r"\b(red|night|moon|snow\w*)\b", told), told


@pytest.mark.parametrize("bad", [{"style": "sora"}, {"level": "most"}])
def test_an_unknown_style_or_level_is_refused_by_name(bad):
    with pytest.raises(PromptError, match="choose one of"):
        expand("a ball", LANGUAGE, **bad)
