"""Any answer of a language model about footage becomes two plain captions."""

import pytest

from sora_core.errors import PromptError
from sora_core.prompts.rewrite import MAX_LONG_CAPTION, MAX_SHORT_CAPTION, captions, question


def test_the_question_asks_for_what_is_read_from_the_answer():
    assert "two lines" in question()
    assert "First line" in question()


def test_the_first_line_is_the_short_caption_and_the_rest_the_full_one():
    answer = "a fox runs in snow\n\nA red fox runs left.\nThe camera is still.\n"
    assert captions(answer) == ("A red fox runs left. The camera is still.", "a fox runs in snow")


def test_a_single_line_is_both():
    assert captions("  a fox runs ") == ("a fox runs", "a fox runs")


def test_reasoning_of_many_lines_is_no_caption():
    answer = "<think>The user wants\ntwo lines\n</think>a fox\nA red fox runs."
    assert captions(answer) == ("A red fox runs.", "a fox")


def test_no_template_token_is_left():
    long, short = captions("<|im_start|>a fox [INST]\n<|im_end|>A red fox </s>runs.")
    assert (long, short) == ("A red fox runs.", "a fox")


def test_captions_are_bounded():
    long, short = captions("fox " * 5000 + "\n" + "a red fox " * 5000)
    assert len(long) <= MAX_LONG_CAPTION
    assert len(short) <= MAX_SHORT_CAPTION
    assert len(long) > MAX_SHORT_CAPTION


@pytest.mark.parametrize("answer", ["", "\n \n", "<think></think>", "\u200b\n<|im_end|>"])
def test_an_answer_that_says_nothing_is_refused(answer):
    with pytest.raises(PromptError, match="answer is empty"):
        captions(answer)
