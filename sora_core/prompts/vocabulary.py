"""The vocabulary of the small world, the English around it, and the spelling of both."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .words import LEXICON, Meaning, Phrases, inflected, read_data

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


def one_slip(typed: str, meant: str) -> bool:
    """Whether `typed` is `meant` with one letter inserted, deleted or replaced, or two swapped.

    That is a Damerau-Levenshtein distance of 1 (Damerau 1964).
    """
    i = 0
    while i < min(len(typed), len(meant)) and typed[i] == meant[i]:
        i += 1
    here, there = typed[i:], meant[i:]
    swapped = there[1:2] + there[:1] + there[2:]
    return here != there and (here in (there[1:], swapped) or here[1:] in (there, there[1:]))


COMPANY = "fill"  # the lexicon's part with the values to choose from
VERB_FORMS = ("motion", "verb", "hit", "wall", "camera")
PLACE_WORDS = ("articles", "manner", "beyond", "negations", "views", "tails", "quiet")

Table = dict[str, dict[str, dict[str, list[str]]]]
"""Phrases by slot, value and use: "trained", "alone" as a sentence, or "also" understood."""


@dataclass(frozen=True, slots=True)
class World:
    """The vocabulary of the small world: phrases, values to choose from, and spelling."""

    table: Table
    fill: dict[str, Any]
    english: dict[str, Any]
    phrases: Phrases
    spelling: Spelling

    def first(self, slot: str, value: str) -> str:
        """The most frequent phrase for `value` in training captions."""
        return self.table[slot][value]["trained"][0]


def read_world() -> World:
    """The vocabulary, from this package's data files."""
    table, english = read_data(LEXICON / "world.json"), read_data(LEXICON / "english.json")
    fill = table.pop(COMPANY)
    phrases = Phrases.from_pairs([*_listed(table), *_around(english), *_formed(table, english)])
    known = (word for phrase in phrases.meanings for word in phrase.split())
    lists = ("views_mean", "views_pass", "placing", "enders", "settings")
    others = [word for name in lists for word in english[name]]
    others += read_data(LEXICON / "correct.json")["words"]
    return World(table, fill, english, phrases, Spelling.of(known, others))


def _listed(table: Table) -> Iterator[tuple[str, Meaning]]:
    for slot, values in table.items():
        for value, uses in values.items():
            for use, phrases in uses.items():
                meaning = Meaning(slot, value, trained=use != "also")
                yield from ((phrase, meaning) for phrase in phrases)


def _around(english: dict[str, Any]) -> Iterator[tuple[str, Meaning]]:
    for slot in PLACE_WORDS:
        yield from ((phrase, Meaning(slot, phrase, trained=True)) for phrase in english[slot])
    yield from ((phrase, Meaning("count", phrase)) for phrase in english["counts"])


def _formed(table: Table, english: dict[str, Any]) -> Iterator[tuple[str, Meaning]]:
    """Shades of the listed colours, and the other forms of the listed verbs."""
    for colour in table["colour"]:
        yield from ((f"{shade} {colour}", Meaning("colour", colour)) for shade in english["shades"])
    for phrase, meaning in _listed({slot: table[slot] for slot in VERB_FORMS}):
        formed = Meaning(meaning.slot, meaning.value)
        yield from ((form, formed) for form in inflected(phrase))
