"""Words and phrases in a text: their positions, and their meanings in a lexicon."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

LEXICON = Path(__file__).parent / "lexicon"
TEMPLATES = Path(__file__).parent / "templates"

_THIRD_PERSON = re.compile(r"(?!.*wards$|across$)[a-z]+[^aius]s|passes")
_SHORT = re.compile(r"[^aeiou]*[aeiou][^aeiouwxy]")
_TOKEN = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*|[.,;:!?]", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Word:
    """One word in lower case, or one punctuation mark, and its span of characters."""

    text: str
    start: int
    end: int

    @property
    def is_mark(self) -> bool:
        """Whether it is a punctuation mark."""
        return self.text in ".,;:!?"


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a phrase; `trained` is whether training captions contain these very words."""

    slot: str
    value: str
    trained: bool = False


@dataclass(frozen=True, slots=True)
class Phrase:
    """Consecutive words, their span of characters, and their meaning if they have one."""

    text: str
    start: int
    end: int
    meaning: Meaning | None


@dataclass(frozen=True, slots=True)
class Phrases:
    """A lexicon of phrases, matched longest first.

    `lengths` are those of the phrases that begin with a word, in words, the longest first.
    """

    meanings: Mapping[str, Meaning]
    lengths: Mapping[str, Sequence[int]]

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, Meaning]]) -> "Phrases":
        """A lexicon of (phrase, meaning) pairs; the first meaning of a phrase counts."""
        meanings: dict[str, Meaning] = {}
        lengths: dict[str, set[int]] = defaultdict(set)
        for phrase, meaning in pairs:
            parts = [word.text for word in words(phrase.rstrip("."))]
            meanings.setdefault(" ".join(parts), meaning)
            lengths[parts[0]].add(len(parts))
        return cls(meanings, {word: sorted(found)[::-1] for word, found in lengths.items()})

    def find(self, text: list[Word]) -> Iterator[Phrase]:
        """The words of `text` in order, grouped into the longest known phrases, else one by one."""
        texts, i = [word.text for word in text], 0
        while i < len(text):
            for count in (*self.lengths.get(texts[i], ()), 1):
                key = " ".join(texts[i : i + count])
                if count == 1 or (key in self.meanings and i + count <= len(text)):
                    end = text[i + count - 1].end
                    yield Phrase(key, text[i].start, end, self.meanings.get(key))
                    i += count
                    break


def words(text: str) -> list[Word]:
    """The words and punctuation marks of `text`, in order; a hyphen separates words."""
    return [
        Word(found[0].lower().replace("\u2019", "'"), *found.span())
        for found in _TOKEN.finditer(text)
    ]


def inflected(phrase: str) -> list[str]:
    """`phrase`, and if it begins with a verb in the third person, its base form and "-ing" form."""
    verb, space, rest = phrase.partition(" ")
    if not _THIRD_PERSON.fullmatch(verb):
        return [phrase]
    base = verb[:-2] if verb.endswith(("ches", "shes", "sses", "xes", "oes")) else verb[:-1]
    if base.endswith("ie"):
        base = base if len(base) == 3 else f"{base[:-2]}y"  # lie, but fly
    stem = f"{base[:-2]}y" if base.endswith("ie") else base.removesuffix("e")
    if _SHORT.fullmatch(base):
        stem += base[-1]
    return [f"{form}{space}{rest}" for form in (verb, base, f"{stem}ing")]


def read_data(path: Path) -> dict[str, Any]:
    """The JSON object in one of this package's data files."""
    return json.loads(path.read_text(encoding="utf-8"))


def seeded_choice(choices: list[str], seed: int, what: str) -> str:
    """One of `choices`, the same for the same `seed` and `what`."""
    digest = sha256(f"{seed} {what}".encode()).digest()
    return choices[int.from_bytes(digest[:8], "big") % len(choices)]
