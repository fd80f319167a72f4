"""The words of captions as numbers: lower-case words and marks, after a few signs of its own."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import ConfigError

SIGNS = ("<end>", "<unclear>", "<short>", "<long>")
END_SIGN, UNCLEAR_SIGN, SHORT_SIGN, LONG_SIGN = range(len(SIGNS))

_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*|[.,:]")
_SENTENCE = re.compile(r"(?:^|(?<=\. ))[a-z]")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All words that captions may use, in order, `SIGNS` first."""

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        fitting = all(_WORD.fullmatch(word) for word in self.words[len(SIGNS) :])
        if self.words[: len(SIGNS)] != SIGNS or not fitting:
            raise ConfigError("a vocabulary is the signs, then lower-case words and marks")

    @classmethod
    def from_captions(cls, captions: Iterable[str]) -> "Vocabulary":
        """The words of `captions`."""
        return cls((*SIGNS, *sorted({word for text in captions for word in split(text)})))

    def numbers(self, caption: str) -> list[int]:
        """`caption` as numbers, without any sign; KeyError where a word is not known."""
        known = {word: i for i, word in enumerate(self.words)}
        return [known[word] for word in split(caption)]

    def caption(self, numbers: Sequence[int]) -> str:
        """The text of `numbers`: sentences if it has a full stop, else a phrase."""
        text = " ".join(self.words[i] for i in numbers if i >= len(SIGNS))
        text = re.sub(r" (?=[.,:])", "", text)
        if "." not in text:
            return text
        return _SENTENCE.sub(lambda found: found[0].upper(), text)


def split(caption: str) -> list[str]:
    """The words and marks of `caption`, in lower case."""
    return _WORD.findall(caption.lower())
