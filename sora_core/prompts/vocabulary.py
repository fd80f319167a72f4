"""The words of the small world, and the English around them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .spelling import Spelling
from .words import LEXICON, Meaning, Phrases, inflected, read_data

COMPANY = "fill"  # the part of the lexicon that lists what to choose from, not what to find
VERB_FORMS = ("motion", "verb", "hit", "wall", "camera")
PLACE_WORDS = ("articles", "manner", "beyond", "negations", "views", "tails", "quiet")

Table = dict[str, dict[str, dict[str, list[str]]]]
"""Phrases by slot, value and way: trained, alone as a sentence, or also understood."""


@dataclass(frozen=True, slots=True)
class World:
    """The small world's vocabulary, and the English around it."""

    table: Table
    fill: dict[str, Any]
    english: dict[str, Any]
    phrases: Phrases
    spelling: Spelling

    def first(self, slot: str, value: str) -> str:
        """The words that the model has read most often for `value`."""
        return self.table[slot][value]["trained"][0]


def read_world() -> World:
    """The vocabulary from the data files of this package."""
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
        for value, ways in values.items():
            for term, phrases in ways.items():
                meaning = Meaning(slot, value, trained=term != "also")
                yield from ((phrase, meaning) for phrase in phrases)


def _around(english: dict[str, Any]) -> Iterator[tuple[str, Meaning]]:
    for slot in PLACE_WORDS:
        yield from ((phrase, Meaning(slot, phrase, trained=True)) for phrase in english[slot])
    yield from ((phrase, Meaning("count", phrase)) for phrase in english["counts"])


def _formed(table: Table, english: dict[str, Any]) -> Iterator[tuple[str, Meaning]]:
    """Shades of colours, and verbs in other forms than they are listed in."""
    for colour in table["colour"]:
        yield from ((f"{shade} {colour}", Meaning("colour", colour)) for shade in english["shades"])
    for phrase, meaning in _listed({slot: table[slot] for slot in VERB_FORMS}):
        formed = Meaning(meaning.slot, meaning.value)
        yield from ((form, formed) for form in inflected(phrase))
