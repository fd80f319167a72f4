"""The captioner's vocabulary: control signs, then the lower-case words and marks of captions."""

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
    """The words by id, `SIGNS` first; ConfigError unless the others are lower-case or marks."""

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        fitting = all(_WORD.fullmatch(word) for word in self.words[len(SIGNS) :])
        if self.words[: len(SIGNS)] != SIGNS or not fitting:
            raise ConfigError("vocabulary: list the signs, then lower-case words and marks")

    @classmethod
    def from_captions(cls, captions: Iterable[str]) -> "Vocabulary":
        """The vocabulary of `captions`, sorted."""
        return cls((*SIGNS, *sorted({word for text in captions for word in split(text)})))

    def numbers(self, caption: str) -> list[int]:
        """The ids of the words of `caption`, without signs; KeyError for an unknown word."""
        known = {word: i for i, word in enumerate(self.words)}
        return [known[word] for word in split(caption)]

    def caption(self, numbers: Sequence[int]) -> str:
        """The text of the ids `numbers`: sentences if there is a full stop, else a phrase."""
        text = " ".join(self.words[i] for i in numbers if i >= len(SIGNS))
        text = re.sub(r" (?=[.,:])", "", text)
        if "." not in text:
            return text
        return _SENTENCE.sub(lambda found: found[0].upper(), text)


def split(caption: str) -> list[str]:
    """The words and marks of `caption`, in lower case."""
    return _WORD.findall(caption.lower())
