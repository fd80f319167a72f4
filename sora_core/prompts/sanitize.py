"""Sanitized prompts: visible characters in NFC, without markup, of bounded length."""

import re
import unicodedata

from ..errors import PromptError

MAX_BYTES = 100_000
JOINERS = "\u200c\u200d"  # invisible, but Persian words and many emoji need them

_INVISIBLE = {"Cc", "Cf", "Cs"}
_REASONING = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|$)", re.IGNORECASE | re.DOTALL)
_TAGS = re.compile(r"<[^<>]*>|\[/?[A-Z_]+\]")  # <|im_start|>, </s>, <lora:...>; [INST], [/INST]
_BRACKETS = "<>{}[]|`"


def clean_prompt(text: str, limit: int = 2000) -> str:
    """`text` in NFC, single-spaced, without control, direction and other invisible characters.

    It is cut to at most `limit` characters, at a space if there is one. Cleaning is idempotent.
    PromptError above 100,000 bytes.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise PromptError(f"prompt of {size} bytes: shorten it to at most {MAX_BYTES} bytes")
    visible = "".join(filter(_is_visible_character, text))
    line = " ".join(unicodedata.normalize("NFC", visible).split())
    if len(line) <= limit:
        return line
    whole_words, space, _ = line[: limit + 1].rpartition(" ")
    return whole_words if space else line[:limit]


def plain_prompt(text: str, limit: int = 2000) -> str:
    """`clean_prompt(text)` without the characters and tags of chat templates.

    Reasoning is removed with its tags, unless there is no other text. The remaining brackets become
    spaces, full-width ones included, since tokenizers normalise those to plain brackets.
    """
    composed = clean_prompt(text, MAX_BYTES)
    plain = _without_markup(_REASONING.sub(" ", composed)) or _without_markup(composed)
    return clean_prompt(plain, limit)


def _without_markup(text: str) -> str:
    untagged = _TAGS.sub(" ", text)
    bare = "".join(" " if _is_bracket(character) else character for character in untagged)
    return clean_prompt(bare.replace("##", " "), MAX_BYTES).strip("# ")


def _is_bracket(character: str) -> bool:
    folded = unicodedata.normalize("NFKC", character)
    return any(mark in folded for mark in _BRACKETS)


def _is_visible_character(character: str) -> bool:
    return (
        character.isspace()
        or character in JOINERS
        or unicodedata.category(character) not in _INVISIBLE
    )
