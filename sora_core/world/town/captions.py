"""Captions of scenes, short to long, each with the facts that it states."""

from dataclasses import dataclass
from math import inf

from numpy.random import PCG64, Generator

from ...errors import ConfigError, check_choice
from . import words
from .clauses import Clause, ShotWords, WordChoice
from .event_clauses import event_clause, other_things, plural_clause
from .facts import Fact, facts_of
from .scene import TownScene
from .setting_clauses import (
    camera_clause,
    change_clauses,
    floor_clause,
    negation_clause,
    sky_clause,
)
from .visibility import shot_lengths

STYLES = ("short", "medium", "long", "tags")
DETAIL = {"short": 0.25, "medium": 0.55, "long": 0.95, "tags": 0.3}
"""The share of optional details that a style states."""
STATED = {"short": (0.7, 0.45, 0.4), "medium": (0.9, 0.75, 0.65), "long": (1, 1, 0.9)}
"""How often a style states floor, sky and camera."""
NEGATED = 0.16  # share of short and medium shots with a negation


@dataclass(frozen=True, slots=True)
class StatedCaption:
    """A text, the facts it states (every clause one or more), and its style."""

    text: str
    facts: tuple[Fact, ...]
    style: str


def describe_town(
    scene: TownScene, seed: int, seconds: float = 2.0, style: str | None = None
) -> StatedCaption:
    """A caption of a clip of `seconds` (0: a still), phrased by `seed` in one of STYLES.

    Raises ConfigError for an unknown style or a negative length.
    """
    if style is not None:
        check_choice("style", style, STYLES)
    if not 0 <= seconds < inf:
        raise ConfigError(f"{seconds} s: choose 0 for a still, or a length above 0")
    talk = WordChoice(Generator(PCG64([seed, 5])))
    if style is None:
        style = talk.pick(("short", "short", "medium", "medium", "long", "long", "tags"))
    facts = facts_of(scene, seconds)
    lengths = shot_lengths(scene, seconds)
    by_shot = [
        shot_clause(ShotWords(talk, scene, i, [f for f in facts if f.shot == i], seconds), style)
        for i in range(len(lengths))
    ]
    if len(by_shot) == 1:
        text = finished(by_shot[0].text, style)
        return StatedCaption(text, _unique(by_shot[0].facts), style)
    starts = [shot.start for shot, _ in lengths] + [seconds]
    joined = _storyboard(talk, by_shot, starts, style)
    return StatedCaption(joined.text, _unique(joined.facts), style)


def shot_clause(shot: ShotWords, style: str) -> Clause:
    """The shot in a style: its event, then place, light, changes, a negation and the camera."""
    shot.detail = DETAIL[style]
    if style == "tags":
        return tags_clause(shot)
    event = event_clause(shot)
    place, light, camera = floor_clause(shot), sky_clause(shot), camera_clause(shot)
    chosen = [shot.talk.chance(share) for share in STATED[style]]
    facts, text = list(event.facts), event.text
    extra: list[Clause] = []
    spread = style == "long" and shot.talk.chance(0.45)
    if spread:
        ground = shot.talk.pick(words.TOWN_GROUNDS[shot.stage.floor])
        extra = [Clause(f"the ground is {ground}", place.facts)]
        if light and not shot.true("light") and len(light.facts) == 1:
            scenery = shot.talk.pick(words.SCENERY[light.facts[0].value]).rstrip(".")
            extra.append(Clause(scenery, light.facts))
            light = None
    elif chosen[0]:
        text, facts = f"{text} {place.text}", facts + place.facts
    if chosen[1] and light:
        front = shot.talk.chance(0.2) and style != "short"
        text = f"{light.text}, {text}" if front else f"{text} {light.text}"
        facts += light.facts
    if style == "long" or (style == "medium" and shot.talk.chance(0.5)):
        extra += other_things(shot)
    extra += change_clauses(shot)
    if shot.talk.chance(NEGATED if style != "long" else 1.6 * NEGATED):
        extra.append(negation_clause(shot))
    if chosen[2] and camera:
        extra.append(camera)
    if style == "long":
        parts = [text, *(clause.text for clause in extra)]
        text = ". ".join(part[0].upper() + part[1:] for part in parts)
    else:
        text = ", ".join([text, *(clause.text for clause in extra)])
    return Clause(text, facts + [f for clause in extra for f in clause.facts])


def tags_clause(shot: ShotWords) -> Clause:
    """The shot as tags: "red ball, rolling left, grass, night, static shot"."""
    talk, parts, facts = shot.talk, [], []
    kinds = {(t.kind, t.colour) for t in shot.stage.things}
    if len(shot.stage.things) > 1 and len(kinds) == 1:
        first = plural_clause(shot)
        parts.append(first.text)
        facts += first.facts
    else:
        for thing in shot.stage.things[:3]:
            noun = shot.noun(thing)
            parts.append(noun.text.removeprefix("an ").removeprefix("a "))
            facts += noun.facts
            motions = shot.true("motion", thing.identity) if shot.seconds else []
            if motions and motions[0].value != "still" and len(motions) == 1:
                parts.append(shot.verb(thing, motions[0].value)[1])
                facts += motions
    for name, clause in (("floor", floor_clause(shot)), ("sky", sky_clause(shot))):
        if clause and talk.chance(0.8):
            names = words.FLOOR_NAMES if name == "floor" else words.SKY_NAMES
            parts.append(talk.pick(names[clause.facts[0].value]))
            facts += clause.facts[:1]
    for clause in change_clauses(shot):
        parts.append(clause.text)
        facts += clause.facts
    camera = camera_clause(shot)
    if camera and talk.chance(0.5):
        parts.append(camera.text)
        facts += camera.facts
    return Clause(", ".join(parts), facts)


def finished(text: str, style: str) -> str:
    """A text as a sentence; short texts and tags stay a phrase."""
    if style in ("short", "tags"):
        return text
    text = text[0].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def _storyboard(talk: WordChoice, by_shot: list[Clause], starts: list[float], style: str) -> Clause:
    """The clauses of the shots, joined in one of the forms that storyboards have."""
    form = talk.pick(("shot", "shot", "time", "time", "cut", "ordinal", "then"))
    parts, facts = [], []
    for i, clause in enumerate(by_shot):
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
    count = Fact("shots", str(len(by_shot)))
    return Clause(" ".join(parts), [*facts, count])


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _unique(facts: list[Fact]) -> tuple[Fact, ...]:
    return tuple(dict.fromkeys(facts))
