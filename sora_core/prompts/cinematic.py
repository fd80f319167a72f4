"""Cinematography in prompts: the facts that a prompt states, and words for the slots it lacks."""

from dataclasses import dataclass
from typing import Any

from .words import LEXICON, TEMPLATES, Meaning, Phrases, Word, read_data, seeded_choice, words

FILM_STYLES = ("general", "wan", "ltx", "hunyuan")
FILM_SLOTS = ("shot", "camera", "lens", "light", "pace", "mood")


@dataclass(frozen=True, slots=True)
class Addition:
    """Words for one slot, usable if the prompt has all tags in `needs` and none in `unless`."""

    tag: str
    sentence: str
    needs: frozenset[str]
    unless: frozenset[str]


@dataclass(frozen=True, slots=True)
class Cinema:
    """The vocabulary of filming; one phrase may have a meaning in several slots."""

    phrases: dict[str, Phrases]
    adds: dict[str, list[Addition]]
    templates: dict[str, dict[str, Any]]
    negations: frozenset[str]
    enders: frozenset[str]


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """The facts of a prompt: tags "slot:value", the words of each, and the negated words."""

    tags: frozenset[str]
    mentions: tuple[tuple[str, str], ...]
    refused: frozenset[str]

    @property
    def slots(self) -> frozenset[str]:
        """The slots of all tags, negated ones included."""
        return frozenset(tag.partition(":")[0] for tag in self.tags)


def read_cinema() -> Cinema:
    """The vocabulary, and the prompt conventions of each model, from this package's data files."""
    data, english = read_data(LEXICON / "cinematic.json"), read_data(LEXICON / "english.json")
    phrases = {
        slot: Phrases.from_pairs(
            (phrase, Meaning(slot, value))
            for value, phrases in values.items()
            for phrase in phrases
        )
        for slot, values in data["says"].items()
    }
    adds = {
        slot: [
            Addition(tag, sentence, frozenset(n), frozenset(u)) for tag, sentence, n, u in options
        ]
        for slot, options in data["adds"].items()
    }
    templates = {name: read_data(TEMPLATES / f"{name}.json") for name in FILM_STYLES}
    negations = frozenset(english["negations"])
    return Cinema(phrases, adds, templates, negations, frozenset(english["enders"]))


def film_facts(text: str, cinema: Cinema) -> FilmFacts:
    """The facts in `text`; a value after "no" or "without" gets the tag "slot:no value"."""
    heard = words(text)
    spans = _refusals(heard, len(text), cinema)
    tags: set[str] = set()
    mentions: list[tuple[str, str]] = []
    for slot, phrases in cinema.phrases.items():
        for found in phrases.find(heard):
            if found.meaning is None:
                continue
            denied = any(start <= found.start < end for start, end in spans)
            tags.add(f"{slot}:{'no ' if denied else ''}{found.meaning.value}")
            if not denied:
                mentions.append((slot, found.text))
    refused = {w.text for w in heard if any(s <= w.start < e for s, e in spans)}
    return FilmFacts(frozenset(tags), tuple(mentions), frozenset(refused))


def _refusals(heard: list[Word], end: int, cinema: Cinema) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start = -1
    for word in heard:
        if start >= 0 and (word.is_mark or word.text in cinema.enders):
            spans.append((start, word.start))
            start = -1
        elif start < 0 and word.text in cinema.negations:
            start = word.end
    return [*spans, (start, end)] if start >= 0 else spans


def fill_template(
    mentioned: FilmFacts, cinema: Cinema, style: str, full: bool, seed: int, setting: frozenset[str]
) -> list[str]:
    """Words for the slots that `mentioned` lacks, in the order and form of the prompts of `style`.

    `full` fills more slots than the light level. `setting` holds tags from elsewhere, such as
    earlier shots; no addition contradicts them. The same `seed` chooses the same words.
    """
    template = cinema.templates[style]
    wanted = template["full" if full else "light"]
    tags = set(mentioned.tags) | set(setting)
    stated = mentioned.slots
    chosen: dict[str, str] = {}
    for slot in FILM_SLOTS:
        if slot not in wanted or slot in stated:
            continue
        free = [
            add
            for add in cinema.adds[slot]
            if add.needs <= tags and not add.unless & tags and not _refuses(mentioned, add)
        ]
        fitting = [add for add in free if add.needs] or free
        if not fitting:
            continue
        name = seeded_choice([add.tag for add in fitting], seed, slot)
        pick = next(add for add in fitting if add.tag == name)
        addition = pick.tag if template["as"] == "tags" else pick.sentence
        chosen[slot] = addition
        if slot == "shot":  # the choice of the lens depends on it
            tags |= film_facts(addition, cinema).tags
    return [chosen[slot] for slot in wanted if slot in chosen]


def _refuses(mentioned: FilmFacts, add: Addition) -> bool:
    addition_words = {word.text for word in words(f"{add.tag} {add.sentence}")}
    return bool(
        mentioned.refused
        & (addition_words - {"a", "the", "in", "is", "and", "of", "on", "with", "all"})
    )
