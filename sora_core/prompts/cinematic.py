"""General prompts: the facts that a prompt states, and visible details and filming to add to it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .grammar import Pattern
from .words import LEXICON, TEMPLATES, Meaning, Phrases, Word, read_data, seeded_choice, words

FILM_STYLES = ("general", "wan", "ltx", "hunyuan")
EXCLUSIVE = frozenset(
    ("time", "weather", "light", "pace", "mood", "lens", "camera", "shot", "tone", "style")
)  # slots of which a scene has one value
MIN_WORDINGS = 90  # P(Binomial(200, 1/90) > 10) is 2e-5: one wording of a slot filled twice
MAX_PATTERN_WEIGHT = 45  # wordings: a pattern with more is not chosen more often
MAX_WORDINGS_TRIED = 8


@dataclass(frozen=True, slots=True)
class Addition:
    """A pattern for one slot, usable if the prompt has all of `needs` and none of `unless`."""

    pattern: Pattern
    needs: tuple[str, ...]
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
    """The facts of a prompt: tags "slot:value", the words of each, and the negated words.

    `nouns` maps a tag to the first words with its meaning.
    """

    tags: frozenset[str]
    mentions: tuple[tuple[str, str], ...]
    refused: frozenset[str]
    nouns: Mapping[str, str]

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
            Addition(Pattern.parse(text), tuple(needs), frozenset(unless))
            for text, needs, unless in options
        ]
        for slot, options in read_data(LEXICON / "details.json").items()
    }
    templates = {name: read_data(TEMPLATES / f"{name}.json") for name in FILM_STYLES}
    negations = frozenset(english["negations"])
    return Cinema(phrases, adds, templates, negations, frozenset(english["enders"]))


def film_facts(text: str, cinema: Cinema) -> FilmFacts:
    """The facts in `text`; a value after "no" or "without" gets the tag "slot:no value"."""
    parsed = words(text)
    spans = _refusals(parsed, len(text), cinema)
    tags: set[str] = set()
    mentions: list[tuple[str, str]] = []
    nouns: dict[str, str] = {}
    for slot, phrases in cinema.phrases.items():
        for found in phrases.find(parsed):
            if found.meaning is None:
                continue
            denied = any(start <= found.start < end for start, end in spans)
            tags.add(f"{slot}:{'no ' if denied else ''}{found.meaning.value}")
            if not denied:
                mentions.append((slot, found.text))
                nouns.setdefault(f"{slot}:{found.meaning.value}", found.text)
    refused = {w.text for w in parsed if any(s <= w.start < e for s, e in spans)}
    return FilmFacts(frozenset(tags), tuple(mentions), frozenset(refused), nouns)


def _refusals(parsed: list[Word], end: int, cinema: Cinema) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start = -1
    for word in parsed:
        if start >= 0 and (word.is_mark or word.text in cinema.enders):
            spans.append((start, word.start))
            start = -1
        elif start < 0 and word.text in cinema.negations:
            start = word.end
    return [*spans, (start, end)] if start >= 0 else spans


def fill_template(
    prompt: str,
    mentioned: FilmFacts,
    cinema: Cinema,
    style: str,
    full: bool,
    seed: int,
    setting: frozenset[str],
) -> list[str]:
    """Words for the slots of `style` that `prompt` lacks, in the order and form of its prompts.

    `full` fills more slots than the light level. `setting` holds tags from elsewhere, such as
    earlier shots; no addition contradicts them. `prompt` and `seed` choose the words. A slot with
    fewer than MIN_WORDINGS wordings stays empty in proportion, so that no sentence is frequent.
    """
    template = cinema.templates[style]
    as_tags = template["as"] == "tags"
    if is_expanded(prompt, cinema):
        return []
    stated = mentioned.tags | setting
    tags = set(stated)
    used: set[Pattern] = set()
    chosen = []
    for slot in template["full" if full else "light"]:
        if slot in mentioned.slots:
            continue
        fitting = [
            add
            for add in cinema.adds[slot]
            if set(add.needs) <= tags
            and not add.unless & tags
            and add.pattern not in used
            and not (add.pattern.names and add.needs[0] not in mentioned.nouns)
        ]
        fitting = [add for add in fitting if add.needs] or fitting
        for attempt in range(MAX_WORDINGS_TRIED):
            what = f"{slot} {len(chosen)} {attempt} {prompt}"
            pick = _weighted_pick(fitting, seed, what)
            if pick is None:
                break
            noun = mentioned.nouns.get(pick.needs[0], "") if pick.needs else ""
            wording = pick.pattern.wording(seed, what, noun, as_tags)
            facts = film_facts(wording, cinema)
            if not (_contradicts(facts, stated) or _names_refused(wording, mentioned)):
                chosen.append(wording)
                used.add(pick.pattern)
                tags |= {tag for tag in facts.tags if slot == "shot" and tag.startswith("shot:")}
                break
    return chosen


def is_expanded(text: str, cinema: Cinema) -> bool:
    """Whether the last sentence of `text`, or every tag in it, is an addition of this package."""
    last = re.split(r"[.!?] ", text.rstrip(". "))[-1].lower()
    patterns = [add.pattern for adds in cinema.adds.values() for add in adds]
    if any(pattern.sentence.fullmatch(last) for pattern in patterns):
        return True
    return all(any(pattern.tag.fullmatch(tag) for pattern in patterns) for tag in last.split(", "))


def _weighted_pick(fitting: list[Addition], seed: int, what: str) -> Addition | None:
    weighted = [
        i
        for i, add in enumerate(fitting)
        for _ in range(min(add.pattern.count, MAX_PATTERN_WEIGHT))
    ]
    blanks = [-1] * (MIN_WORDINGS - len(weighted))
    choice = int(seeded_choice([str(i) for i in (*weighted, *blanks)], seed, what))
    return None if choice < 0 else fitting[choice]


def _contradicts(facts: FilmFacts, stated: set[str] | frozenset[str]) -> bool:
    """Whether `facts` have a negated value, or another value of a slot that has one."""
    slots = {tag.partition(":")[0] for tag in stated}
    for tag in facts.tags:
        slot, _, value = tag.partition(":")
        if f"{slot}:no {value}" in stated:
            return True
        if slot in EXCLUSIVE and slot in slots and (value == "any" or tag not in stated):
            return True
    return False


def _names_refused(wording: str, mentioned: FilmFacts) -> bool:
    refused = {word.rstrip("s") for word in mentioned.refused}
    common = {"a", "the", "in", "i", "and", "of", "on", "with", "all", "at", "to"}
    return bool(refused & ({word.text.rstrip("s") for word in words(wording)} - common))
