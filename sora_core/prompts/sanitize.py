"""Prompts as plain, visible, composed text of bounded length."""

import unicodedata

from ..errors import PromptError

MAX_BYTES = 100_000
JOINERS = "\u200c\u200d"  # invisible, but Persian words and many emoji are spelt with them

_INVISIBLE = {"Cc", "Cf", "Cs"}


def clean_prompt(text: str, limit: int = 2000) -> str:
    """`text` in NFC, single-spaced, without control, direction and other invisible characters.

    Beyond `limit` characters it is cut, at a space where there is one. Cleaning twice is cleaning
    once; what was empty or invisible comes back empty. Raises PromptError above 100,000 bytes.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise PromptError(f"prompt of {size} bytes: at most {MAX_BYTES} bytes")
    visible = "".join(filter(_is_visible, text))
    line = " ".join(unicodedata.normalize("NFC", visible).split())
    if len(line) <= limit:
        return line
    whole_words, space, _ = line[: limit + 1].rpartition(" ")
    return whole_words if space else line[:limit]


def _is_visible(character: str) -> bool:
    return (
        character.isspace()
        or character in JOINERS
        or unicodedata.category(character) not in _INVISIBLE
    )
