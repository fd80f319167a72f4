"""Scenes in words, short to long, each text with the facts that it states."""

from dataclasses import dataclass
from math import inf

from numpy.random import PCG64, Generator

from ...errors import ConfigError
from .clauses import Clause, ShotSpeaker, Talk
from .facts import Fact, facts_of
from .scene import Scene
from .visibility import shot_lengths

STYLES = ("short", "medium", "long", "tags")


@dataclass(frozen=True, slots=True)
class StatedCaption:
    """A text, the facts it states (every clause one or more), and its style."""

    text: str
    facts: tuple[Fact, ...]
    style: str


def describe(
    scene: Scene, seed: int, seconds: float = 2.0, style: str | None = None
) -> StatedCaption:
    """A caption of a clip of `seconds` (0: a still), phrased by `seed` in one of STYLES.

    Every fact holds: `facts.holds(fact, scene, seconds)`. Raises ConfigError for an unknown style
    or a negative length.
    """
    if style is not None and style not in STYLES:
        raise ConfigError(f"style {style!r}: choose from {', '.join(STYLES)}")
    if not 0 <= seconds < inf:
        raise ConfigError(f"{seconds} s: choose 0 for a still, or a length above 0")
    talk = Talk(Generator(PCG64([seed, 5])))
    if style is None:
        style = talk.pick(("short", "short", "medium", "medium", "long", "long", "tags"))
    facts = facts_of(scene, seconds)
    lengths = shot_lengths(scene, seconds)
    spoken = [
        ShotSpeaker(talk, scene, i, [f for f in facts if f.shot == i], seconds).speak(style)
        for i in range(len(lengths))
    ]
    if len(spoken) == 1:
        text = finished(spoken[0].text, style)
        return StatedCaption(text, _unique(spoken[0].facts), style)
    starts = [shot.start for shot, _ in lengths] + [seconds]
    joined = _storyboard(talk, spoken, starts, style)
    return StatedCaption(joined.text, _unique(joined.facts), style)


def finished(text: str, style: str) -> str:
    """A text as a sentence; short texts and tags stay a phrase."""
    if style in ("short", "tags"):
        return text
    text = text[0].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def _storyboard(talk: Talk, spoken: list[Clause], starts: list[float], style: str) -> Clause:
    """The shots one after the other, in one of the forms that storyboards have."""
    form = talk.pick(("shot", "shot", "time", "time", "cut", "ordinal", "then"))
    parts, facts = [], []
    for i, clause in enumerate(spoken):
        text = clause.text.rstrip(".")
        facts += clause.facts
        cut = [Fact("cut", f"{starts[i]:g}", shot=i)] if i else []
        match form:
            case "shot":
                parts.append(f"Shot {i + 1}: {text}.")
            case "time":
                begin, end = f"{starts[i]:.4g}", f"{starts[i + 1]:.4g}"
                parts.append(f"{begin}-{end}s: {text}.")
                facts += cut
            case "cut":
                begin = talk.pick(("Cut to", "Cut to", "Hard cut to")) if i else ""
                parts.append(f"{begin} {text}.".strip() if i else f"{_capital(text)}.")
            case "ordinal":
                name = ("First", "Second", "Third", "Fourth", "Fifth")[i]
                parts.append(f"{name} shot: {text}.")
            case _:
                begin = "Then the view changes: " if i else ""
                parts.append(f"{begin}{text if i else _capital(text)}.")
    count = Fact("shots", str(len(spoken)))
    return Clause(" ".join(parts), [*facts, count])


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _unique(facts: list[Fact]) -> tuple[Fact, ...]:
    return tuple(dict.fromkeys(facts))
