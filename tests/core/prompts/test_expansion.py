"""What expansion does to prompts it was made with, to captions, to other languages and to seeds."""

import re
from pathlib import Path

import pytest

from sora_core.errors import PromptError
from sora_core.measure.expansion import expansion_trials
from sora_core.prompts.expansion import EXPANSION_STYLES, expand, read_language
from sora_core.world.captions import describe
from sora_core.world.scene import sample_scene

KNOWN = Path(__file__).parent / "known"
LANGUAGE = read_language()


@pytest.mark.slow
def test_what_a_known_prompt_states_is_kept_and_not_contradicted():
    assert [str(trial) for trial in expansion_trials(LANGUAGE, KNOWN, [0, 1]) if trial.wrong] == []


def test_the_captions_a_model_was_trained_on_come_back_unchanged():
    for seed in range(100):
        caption = describe(sample_scene(seed), seed).long
        assert expand(caption, LANGUAGE, seed=seed).text == caption


def test_a_seed_gives_the_same_words_and_other_seeds_give_others():
    texts = {expand("a red ball", LANGUAGE, seed=seed).text for seed in [*range(20), *range(20)]}
    assert 10 < len(texts) <= 20


def test_terse_words_become_the_trained_ones_and_the_diff_says_so():
    texts = expand("crimson orb drifts west", LANGUAGE)
    assert "red ball rolls to the left" in texts.text
    assert '= colour: crimson as "red"' in texts.diff()
    assert "+ camera: static" in texts.diff()


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
@pytest.mark.parametrize("style", EXPANSION_STYLES)
def test_other_languages_come_back_as_they_are_with_a_note(text, style):
    texts = expand(text, LANGUAGE, style=style)
    assert (texts.text, texts.note) == (text, "not in English: unchanged")


def test_negated_values_are_never_filled_in():
    for seed in range(40):
        texts = expand("a ball, not red, not at night, not on snow", LANGUAGE, seed=seed).text
        assert not re.search(r"\b(red|night|moon|snow\w*)\b", texts), texts


@pytest.mark.parametrize("bad", [{"style": "sora"}, {"level": "most"}])
def test_an_unknown_style_or_level_is_refused_by_name(bad):
    with pytest.raises(PromptError, match="choose one of"):
        expand("a ball", LANGUAGE, **bad)
