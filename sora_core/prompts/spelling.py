"""Spelling correction: a word one edit away from a known word, unless it is a word itself."""

from collections.abc import Iterable
from dataclasses import dataclass

SHORT_WORD = 4  # letters: short words have too many neighbours, so only swaps are corrected there


@dataclass(frozen=True, slots=True)
class Spelling:
    """The words that corrections can yield, and all words that need no correction."""

    meant: tuple[str, ...]
    correct: frozenset[str]

    @classmethod
    def of(cls, known: Iterable[str], others: Iterable[str]) -> "Spelling":
        """A spelling that corrects towards `known` words; `others` are correct and stay."""
        vocabulary = frozenset(known)
        long = sorted(word for word in vocabulary if len(word) >= SHORT_WORD and word.isalpha())
        return cls(tuple(long), vocabulary | frozenset(others))

    def mend(self, word: str) -> str:
        """The known word one edit away from `word`, swapped letters first, or `word` itself."""
        if word in self.correct or len(word) < SHORT_WORD or not word.isalpha():
            return word
        near = [known for known in self.meant if known[0] == word[0] and one_slip(word, known)]
        swapped = [known for known in near if sorted(known) == sorted(word)]
        long = [known for known in near if len(known) > SHORT_WORD]
        return [*swapped, *long, word][0]


def one_slip(heard: str, meant: str) -> bool:
    """Whether `heard` is `meant` with one letter inserted, deleted or replaced, or two swapped.

    That is a Damerau-Levenshtein distance of 1 (Damerau 1964).
    """
    i = 0
    while i < min(len(heard), len(meant)) and heard[i] == meant[i]:
        i += 1
    here, there = heard[i:], meant[i:]
    swapped = there[1:2] + there[:1] + there[2:]
    return here != there and (here in (there[1:], swapped) or here[1:] in (there, there[1:]))
