"""The vocabulary of the small world, and the English around it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .spelling import Spelling
from .words import LEXICON, Meaning, Phrases, inflected, read_data

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
