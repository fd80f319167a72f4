"""Patterns of sentences: alternatives, a noun, and the forms for a sentence and for a tag.

`[a|b]` is one of the alternatives, `{is|}` the words for a sentence and those for a tag, and `<>`
the noun of the prompt: "[thin|pale] steam {rises|rising} from the <>".
"""

import re
from dataclasses import dataclass
from math import prod

from .words import seeded_choice

_PATTERN_PART = re.compile(r"\[[^\]]*\]|\{[^}]*\}|<>")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern; `sentence` and `tag` match all its wordings in lower case, without a dot.

    `count` is the number of wordings for one noun; `names` is whether it contains the noun.
    """

    text: str
    count: int
    names: bool
    sentence: re.Pattern[str]
    tag: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """The pattern that `text` describes."""
        count = prod(part.count("|") + 1 for part in _PATTERN_PART.findall(text) if part[0] == "[")
        return cls(text, count, "<>" in text, _expression(text, 0), _expression(text, 1))

    def wording(self, seed: int, what: str, noun: str, as_tag: bool) -> str:
        """One wording, the same for the same arguments: a tag, or a sentence with a dot."""

        def replaced(found: re.Match[str]) -> str:
            part = found[0]
            if part == "<>":
                return noun
            options = part[1:-1].split("|")
            if part[0] == "{":
                return options[as_tag]
            return seeded_choice(options, seed, f"{found.start()} {what}")

        text = " ".join(_PATTERN_PART.sub(replaced, self.text).split())
        if as_tag:
            return f"{text[0].lower()}{text[1:]}"
        return f"{text[0].upper()}{text[1:]}."


def _expression(text: str, form: int) -> re.Pattern[str]:
    """The regular expression of all wordings: form 0 is a sentence, form 1 a tag."""
    plain, parts = _PATTERN_PART.split(text), [*_PATTERN_PART.findall(text), ""]
    pieces = []
    for words, part in zip(plain, parts, strict=True):
        pieces.append(re.escape(words.lower()))
        options = [re.escape(option.lower()) for option in part[1:-1].split("|")]
        if part == "<>":
            pieces.append(r"[^.,]+")
        elif part:
            pieces.append(options[form] if part[0] == "{" else f"(?:{'|'.join(options)})")
    return re.compile(re.sub(r"(?:\\ )+", r"\\s*", "".join(pieces)))
