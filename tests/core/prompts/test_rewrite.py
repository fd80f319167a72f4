"""A rewrite by a language model is used only if it preserves every stated fact."""

import re

import pytest

from sora_core.prompts.expansion import EXPANSION_STYLES, MAX_PROMPT_BYTES, expand, read_language
from sora_core.prompts.rewrite import INSTRUCTIONS, answer, rewrite

LANGUAGE = read_language()
FOX = "A red fox runs left through deep snow at night, low moonlight on its fur, static camera."


def by(written):
    return lambda asked: written


def texts(prompt, written, style="general"):
    return rewrite(prompt, LANGUAGE, by(written), style=style)


def test_an_answer_that_keeps_all_facts_is_used():
    expansion = texts("red fox runs left, snow, night", FOX)
    assert (expansion.text, expansion.note) == (FOX, "by the language model")


def test_a_scene_of_the_small_world_is_described_in_trained_words():
    written = "A crimson orb drifts west on a meadow in moonlight. The camera stays still."
    text = texts("red ball left", written, "sora-mini").text
    assert re.match(r"(At night, a|A) ?.*red ball rolls to the left", text), text


@pytest.mark.parametrize(
    ("prompt", "written", "style"),
    [
        ("red fox runs left, snow, day", FOX, "general"),  # it is night
        ("red fox runs right, snow, night", FOX, "general"),
        ("3 red foxes in the snow", FOX, "general"),
        ("red fox runs left, tracking shot", FOX, "general"),
        ("red fox runs left, no snow", FOX, "general"),
        ("red fox with a lantern", FOX, "general"),
        ("red fox, sad cat", FOX, "general"),
        ("red ball left", "A blue ball rolls to the left on grass by day.", "sora-mini"),
        ("red ball left", "A red ball rolls to the right on grass by day.", "sora-mini"),
        ("red ball left", "Two red balls roll to the left on grass by day.", "sora-mini"),
        ("red ball, no snow", "A red ball bounces on snow.", "sora-mini"),
        ("red ball, no clouds", "A red ball bounces under clouds.", "sora-mini"),
        ("red ball", "A red ball and a dog.", "sora-mini"),
        ("red ball at night", "A red ball bounces on grass by day.", "sora-mini"),
        ("red dog at night", "A dog at night.", "sora-mini"),
    ],
)
def test_a_lost_or_contradicted_fact_gives_the_built_in_expansion_and_says_so(
    prompt, written, style
):
    expansion = texts(prompt, written, style)
    assert expansion.text == expand(prompt, LANGUAGE, style=style).text
    assert "not followed: it lost or contradicts" in expansion.diff()


@pytest.mark.parametrize("written", ["", " \u200b", "<think>red fox</think>", "<think>A red fox"])
def test_an_empty_answer_gives_the_built_in_expansion(written):
    expansion = texts("a red fox", written)
    assert expansion.text == expand("a red fox", LANGUAGE, style="general").text
    assert "its answer is empty" in expansion.note


@pytest.mark.parametrize(
    "written",
    [
        f"<think>The user wants a blue fox.</think>{FOX}",
        f"The user wants a blue fox.</think>\n\n{FOX}",
        f"Sure, here is the prompt:\n\n**{FOX}**",
        f'Prompt: "{FOX}"',
        f"<|im_start|>{FOX}<|im_end|>",
        f"{FOX}<think>Was that right?",
    ],
)
def test_reasoning_prefaces_and_markup_are_removed(written):
    assert answer(written, "Describe.") == FOX


def test_an_answer_is_cut_after_a_sentence():
    cut = answer(FOX + " " + "It runs on. " * 1000, "Describe.")
    assert len(cut) <= MAX_PROMPT_BYTES
    assert cut.endswith("It runs on.")


@pytest.mark.parametrize("style", EXPANSION_STYLES)
def test_reciting_the_instructions_is_no_answer(style):
    instruction = (INSTRUCTIONS / f"{style}.txt").read_text(encoding="utf-8")
    recited = rewrite("a red ball", LANGUAGE, lambda asked: asked, style=style)
    assert recited.text == expand("a red ball", LANGUAGE, style=style).text
    assert instruction.splitlines()[0] not in recited.diff()


def test_another_language_is_written_anew_and_marked_as_unchecked():
    expansion = texts("ein roter Fuchs rennt nach links", FOX)
    assert (expansion.text, expansion.note[:14]) == (FOX, "not in English")


@pytest.mark.parametrize("prompt", ["", "<|im_end|>"])
def test_what_is_not_stated_is_not_written_about(prompt):
    def never(asked):
        raise AssertionError(asked)

    assert rewrite(prompt, LANGUAGE, never).text == ""
    assert rewrite("a red fox", LANGUAGE, never, level="off").text == "a red fox"
