"""Shots with their times, from text with times, from a list of lines or from one paragraph."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isclose

from ..errors import PromptError
from .expansion import Language, expand
from .sanitize import clean_prompt, plain_prompt
from .words import LEXICON, Word, read_data, words

MAX_SHOTS = 64
RECENT = 4  # shots that one may be the continuation of
ARTICLES = ("a", "an", "the")
PRONOUNS = ("it", "he", "she")
TOLERANCE = 1e-6  # seconds: what decimal times lose in binary

_CLOCK = r"(?:\d+:)?\d+(?:\.\d+)?"
_UNIT = r"(?:seconds|secs?|s)\b"
_SPAN = rf"({_CLOCK})\s*(?:{_UNIT})?\s*(?:-|\u2013|\bto\b)\s*({_CLOCK})"
_TIMED = re.compile(
    rf"^\W*(?:from\s+)?{_SPAN}\s*(?:{_UNIT})?\s*[\])]?\s*[:,.\u2013-]?\s+(.*)$", re.IGNORECASE
)
_START = re.compile(rf"^\W*(?:at\s+|from\s+)?{_CLOCK}\s*{_UNIT}\s*[\])]?\s*[:,.-]", re.IGNORECASE)
_INLINE = re.compile(
    rf"(?:\bfrom\s+|[\[(]\s*)?\b{_SPAN}\s*(?:{_UNIT}|(?=[\])]|\s*:))", re.IGNORECASE
)
_BULLET = re.compile(
    r"^(?:[-*\u2022]|\d+\s*[.):]|(?:shot|scene)\s*(?:\d+|one|two|three|four|five|six|seven|eight)"
    r"\s*[.):-])\s+",
    re.IGNORECASE,
)
_NEXT = re.compile(
    r"(?<=[.!?])\s+|[,;]?\s+(?:and\s+)?then,?\s+|[.,;]?\s*\bcut to:?\s+|;\s*", re.IGNORECASE
)
_LAST = re.compile(r"(?:[,;.\s]+(?:and|then))+[,\s]*$", re.IGNORECASE)
_FIRST = re.compile(r"^(?:then|next|finally|cut to:?|after that)\b,?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shot:
    """What is seen from `start` until `end`, in seconds."""

    start: float
    end: float
    text: str


def storyboard(text: str, seconds: float) -> list[Shot]:
    """The shots of `text`, in order and without gaps, of which the last ends at `seconds`.

    Shots without times share the seconds evenly. A thing that was described once is described in
    the same words in each later shot. Raises PromptError where times are mixed with no times, have
    no end, overlap, leave a gap or exceed `seconds`.
    """
    if not 0 < seconds < float("inf"):
        raise PromptError(f"a storyboard of {seconds:g} seconds: give the canvas more than 0")
    pieces = _pieces(text)
    if not pieces:
        raise PromptError("storyboard without shots: write one line for each shot")
    if len(pieces) > MAX_SHOTS:
        raise PromptError(f"storyboard of {len(pieces)} shots: write {MAX_SHOTS} or fewer")
    timed = [_TIMED.match(piece) for piece in pieces]
    for i, (piece, found) in enumerate(zip(pieces, timed, strict=True), 1):
        if not found and _START.match(piece):
            raise PromptError(f"shot {i} {piece[:40]!a} has no end: write 0-2s: in front of it")
    if not any(timed):
        each = seconds / len(pieces)
        shots = [Shot(i * each, (i + 1) * each, piece) for i, piece in enumerate(pieces)]
        shots[-1] = replace(shots[-1], end=float(seconds))
    else:
        shots = []
        for i, (piece, found) in enumerate(zip(pieces, timed, strict=True), 1):
            if not found:
                raise PromptError(
                    f"shot {i} {piece[:40]!a} has no time: write 0-2s: in front of it"
                )
            shots.append(Shot(_seconds(found[1]), _seconds(found[2]), found[3]))
        _check(shots, seconds)
    told = consistent([plain_prompt(shot.text) for shot in shots])
    for i, said in enumerate(told, 1):
        if not said:
            raise PromptError(f"shot {i} says nothing: describe it, or leave it out")
    return [replace(shot, text=said) for shot, said in zip(shots, told, strict=True)]


def expanded(
    shots: list[Shot], language: Language, *, style: str, level: str, seed: int
) -> list[Shot]:
    """`shots` with each text expanded; what one leaves open is as in the shots before it."""
    done: list[Shot] = []
    for shot in shots:
        before = " ".join(earlier.text for earlier in done[: -RECENT - 1 : -1])  # the last counts
        fuller = expand(shot.text, language, style=style, level=level, seed=seed, before=before)
        done.append(replace(shot, text=fuller.text))
    told = consistent([shot.text for shot in done])
    return [replace(shot, text=said) for shot, said in zip(done, told, strict=True)]


def script(shots: list[Shot]) -> str:
    """A line for each shot, which `storyboard` reads back."""
    return "\n".join(f"{shot.start:.6g}-{shot.end:.6g}s: {shot.text}" for shot in shots)


def _pieces(text: str) -> list[str]:
    """Lines if there are several, timed parts if they start with a time, else sentences."""
    clean_prompt(text)  # refuses what is too large before any of it is read
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        cuts = [found.start() for found in _INLINE.finditer(lines[0])]
        timed = _TIMED.match(lines[0]) and cuts
        lines = (
            [lines[0][start:end] for start, end in pairwise([*cuts, None])]
            if timed
            else _NEXT.split(lines[0])
        )
    lines = [line if _TIMED.match(line) else _BULLET.sub("", line) for line in lines]
    lines = [_LAST.sub("", _FIRST.sub("", line.strip())).strip(" ;,") for line in lines]
    return [line for line in lines if line]


def _seconds(clock: str) -> float:
    minutes, _, rest = clock.rpartition(":")
    return 60 * int(minutes or 0) + float(rest)


def _check(shots: list[Shot], seconds: float) -> None:
    at = 0.0
    for i, shot in enumerate(shots, 1):
        span = f"shot {i} from {shot.start:g} s to {shot.end:g} s"
        if shot.end <= shot.start:
            raise PromptError(f"{span}: let it end after it starts")
        if not isclose(shot.start, at, abs_tol=TOLERANCE):
            wrong = "overlaps the shot before" if shot.start < at else "leaves a gap before it"
            raise PromptError(f"{span} {wrong}: start it at {at:g} s")
        at = shot.end
    if not isclose(at, seconds, abs_tol=TOLERANCE):
        raise PromptError(
            f"the shots end at {at:g} s, the canvas at {seconds:g} s: let the last shot end there"
        )


@dataclass(frozen=True, slots=True)
class _Noun:
    """A thing with its article: the `name` is its last word, what is before describes it."""

    start: int
    end: int
    article: str
    said: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.said[-1]


def consistent(texts: list[str]) -> list[str]:
    """`texts`, each thing described as fully as where it was first met.

    A later "the fox" becomes "the old red fox"; "it", "he" or "she" at the start becomes the thing
    that the shot before began with. "Another fox" and "a fox" stay as they are.
    """
    english = read_data(LEXICON / "english.json")
    ends, scenery = frozenset(english["noun ends"]), frozenset(english["scenery"])
    known: dict[str, tuple[str, ...]] = {}
    leading = ""
    done = []
    for text in texts:
        heard = words(text)
        if heard and heard[0].text in PRONOUNS and leading:
            text = f"The {leading}{text[heard[0].end :]}"
            heard = words(text)
        nouns = _nouns(heard, ends, known)
        for noun in reversed(nouns):
            full = known.get(noun.name)
            settled = noun.article != "the" or noun.name in scenery
            if settled or not full or not set(noun.said) < set(full):
                continue
            text = f"{text[: noun.start]}{' '.join(full)}{text[noun.end :]}"
        nouns = _nouns(words(text), ends, known)
        for noun in nouns:
            known.setdefault(noun.name, noun.said)
        if nouns and nouns[0].start <= 4:
            leading = " ".join(known[nouns[0].name])
        done.append(text)
    return done


def _nouns(heard: list[Word], ends: frozenset[str], known: Collection[str]) -> list[_Noun]:
    """The described things in a text: an article and the words up to a verb or preposition.

    "The fox darts" is the fox, for a fox is `known`; "a fox darts" may be about fox darts.
    """
    found = []
    for i, word in enumerate(heard):
        if word.text not in ARTICLES:
            continue
        said: list[Word] = []
        for after in heard[i + 1 : i + 7]:
            if after.is_mark or after.text in ends or after.text in ARTICLES:
                break
            if said and (after.text.endswith("ing") or after.text == "with"):
                break
            said.append(after)
            if word.text == "the" and after.text in known:
                break
        if said:
            texts = tuple(each.text for each in said)
            found.append(_Noun(said[0].start, said[-1].end, word.text, texts))
    return found
