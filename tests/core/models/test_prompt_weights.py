import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sora_core.errors import PromptError
from sora_core.prompts.sanitize import MAX_BYTES, clean_prompt


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red ball", "a red ball"),
        ("  a\tred\r\n\r\nball\u2028rolls\u00a0left ", "a red ball rolls left"),
        ("a \u202ered\u202c ball\u0000\u0007\u200b\ufeff", "a red ball"),
        ("cafe\u0301", "caf\u00e9"),
        ("e\u200b\u0301", "\u00e9"),
        ("a\U000e0069\U000e0067 ball \ud800", "a ball"),
        ("\u0645\u06cc\u200c\u0631\u0648\u062f", "\u0645\u06cc\u200c\u0631\u0648\u062f"),
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
        ("", ""),
        ("\u200b \n", ""),
    ],
)
def test_text_comes_back_composed_single_spaced_and_visible(text, expected):
    assert clean_prompt(text) == expected


@given(st.text(), st.integers(1, 30))
def test_cleaning_twice_is_cleaning_once(text, limit):
    once = clean_prompt(text, limit)
    assert clean_prompt(once, limit) == once
    assert len(once) <= limit
    assert unicodedata.is_normalized("NFC", once)


def test_a_long_text_is_cut_between_words():
    assert clean_prompt("a red ball", 9) == "a red"
    assert clean_prompt("a red ball", 5) == "a red"
    assert clean_prompt("abcdefgh", 5) == "abcde"


def test_a_hundred_kilobytes_are_read_and_one_byte_more_is_refused():
    assert len(clean_prompt("a" * MAX_BYTES)) == 2000
    with pytest.raises(PromptError, match="100001 bytes"):
        clean_prompt("a" * (MAX_BYTES + 1))
