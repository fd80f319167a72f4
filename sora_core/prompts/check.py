"""What a text written by others no longer says of a prompt, or says against it."""

from collections.abc import Iterator

from .cinematic import Cinema, look
from .parse import Facts, Thing, parse
from .vocabulary import World
from .words import words

THING = ("shape", "colour", "size", "pattern", "motion")
PLACE = ("floor", "sky", "camera", "hit", "wall")
OPPOSITES = (
    ("time:night", "time:day"),
    ("camera:static", "camera:moving"),
    ("shot:near", "shot:wide"),
)
TELLING = 3  # letters: shorter words, but for numbers, say little
ENDING = 3  # letters that forms of a word may differ in


def scene_faults(said: str, told: str, world: World) -> list[str]:
    """The stated facts of a scene of the small world that `told` does not show."""
    stated, shown = parse(said, world), parse(told, world)
    if not stated.understood:
        meant = {(meaning.slot, meaning.value) for _, meaning in shown.said}
        lost = [
            text for text, m in stated.said if m.slot != "verb" and (m.slot, m.value) not in meant
        ]
        return [*lost, *_barred(stated, shown, told)]
    if not shown.understood:
        return shown.beyond
    if len(stated.things) != len(shown.things):
        return [f"{len(shown.things)} things"]
    pairs = [(stated.things, shown.things), (stated.things, shown.things[::-1])]
    lost = min((list(_unlike(*pair)) for pair in pairs), key=len)
    lost += [
        slot for slot in PLACE if getattr(stated, slot) not in ("", False, getattr(shown, slot))
    ]
    return [*lost, *_barred(stated, shown, told)]


def _unlike(stated: list[Thing], shown: list[Thing]) -> Iterator[str]:
    for one, other in zip(stated, shown, strict=True):
        for slot in THING:
            value = getattr(one, slot)
            if value and value != getattr(other, slot):
                yield f"{slot} {value}"


def _barred(stated: Facts, shown: Facts, told: str) -> list[str]:
    """What was refused and is shown all the same."""
    meant = {(meaning.slot, meaning.value) for _, meaning in shown.said}
    heard = {word.text for word in words(told)} - {*shown.refused}
    barred = [value for slot, value in sorted(stated.excluded) if (slot, value) in meant]
    return [*barred, *(word for word in stated.refused if word in heard)]


def film_faults(said: str, told: str, cinema: Cinema, quiet: frozenset[str]) -> list[str]:
    """The telling words of a general prompt that `told` leaves out, refuses or speaks against."""
    stated, shown = look(said, cinema), look(told, cinema)
    asserted = {word.text for word in words(told)} - shown.refused
    faults = []
    for word in words(said):
        telling = len(word.text) >= TELLING or word.text.isdigit()
        if word.is_mark or not telling or word.text in quiet:
            continue
        kept = any(_alike(word.text, other) for other in asserted)
        if kept == (word.text in stated.refused):
            faults.append(word.text)
    for one, other in (*OPPOSITES, *(pair[::-1] for pair in OPPOSITES)):
        if one in stated.tags and other not in stated.tags and other in shown.tags:
            faults.append(other.partition(":")[2])
    return faults


def _alike(one: str, other: str) -> bool:
    """Whether two words begin alike, as forms of one word do."""
    stem = one if len(one) <= TELLING + 1 else one[: max(TELLING + 1, len(one) - ENDING)]
    return other.startswith(stem) and abs(len(other) - len(one)) <= ENDING
