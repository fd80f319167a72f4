"""Checks of rewritten prompts: which facts of the prompt an answer loses or contradicts."""

from collections.abc import Iterator

from .cinematic import Cinema, film_facts
from .parse import Facts, StatedThing, parse
from .vocabulary import World
from .words import words

THING = ("shape", "colour", "size", "pattern", "motion")
PLACE = ("floor", "sky", "camera", "hit", "wall")
OPPOSITE_TAGS = (
    ("time:night", "time:day"),
    ("camera:static", "camera:moving"),
    ("shot:near", "shot:wide"),
)
MIN_LETTERS = 3  # letters: shorter words, except numbers, carry no fact
ENDING = 3  # letters by which forms of one word may differ at the end


def scene_faults(prompt: str, answer: str, world: World) -> list[str]:
    """The facts of `prompt`, a scene of the small world, that `answer` loses or contradicts.

    For an `answer` beyond the small world, the words that are beyond it. Empty if all is well.
    """
    stated, answered = parse(prompt, world), parse(answer, world)
    if not stated.understood:
        meant = {(meaning.slot, meaning.value) for _, meaning in answered.mentions}
        lost = [
            text
            for text, m in stated.mentions
            if m.slot != "verb" and (m.slot, m.value) not in meant
        ]
        return [*lost, *_barred(stated, answered, answer)]
    if not answered.understood:
        return answered.beyond
    if len(stated.things) != len(answered.things):
        return [f"{len(answered.things)} things"]
    pairs = [(stated.things, answered.things), (stated.things, answered.things[::-1])]
    lost = min((list(_unlike(*pair)) for pair in pairs), key=len)
    lost += [
        slot for slot in PLACE if getattr(stated, slot) not in ("", False, getattr(answered, slot))
    ]
    return [*lost, *_barred(stated, answered, answer)]


def _unlike(stated: list[StatedThing], answered: list[StatedThing]) -> Iterator[str]:
    for one, other in zip(stated, answered, strict=True):
        for slot in THING:
            value = getattr(one, slot)
            if value and value != getattr(other, slot):
                yield f"{slot} {value}"


def _barred(stated: Facts, answered: Facts, answer: str) -> list[str]:
    """The values and words that the prompt excludes and the answer states."""
    meant = {(meaning.slot, meaning.value) for _, meaning in answered.mentions}
    answer_words = {word.text for word in words(answer)} - {*answered.refused}
    barred = [value for slot, value in sorted(stated.excluded) if (slot, value) in meant]
    return [*barred, *(word for word in stated.refused if word in answer_words)]


def film_faults(prompt: str, answer: str, cinema: Cinema, quiet: frozenset[str]) -> list[str]:
    """The significant words of a general `prompt` that `answer` omits, negates or contradicts.

    Words in `quiet`, such as articles and prepositions, are not significant.
    """
    stated, answered = film_facts(prompt, cinema), film_facts(answer, cinema)
    asserted = {word.text for word in words(answer)} - answered.refused
    faults = []
    for word in words(prompt):
        significant = len(word.text) >= MIN_LETTERS or word.text.isdigit()
        if word.is_mark or not significant or word.text in quiet:
            continue
        retained = any(_share_a_stem(word.text, other) for other in asserted)
        if retained == (word.text in stated.refused):
            faults.append(word.text)
    for one, other in (*OPPOSITE_TAGS, *(pair[::-1] for pair in OPPOSITE_TAGS)):
        if one in stated.tags and other not in stated.tags and other in answered.tags:
            faults.append(other.partition(":")[2])
    return faults


def _share_a_stem(one: str, other: str) -> bool:
    """Whether two words share a stem, as the forms of one word do."""
    stem = one if len(one) <= MIN_LETTERS + 1 else one[: max(MIN_LETTERS + 1, len(one) - ENDING)]
    return other.startswith(stem) and abs(len(other) - len(one)) <= ENDING
