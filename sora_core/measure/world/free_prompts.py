"""Free prompts: hand-written texts, and the facts that a viewer would demand of their clips.

The file `held_out/free.jsonl` was written by hand before the model, the expansion or the reader
that scores it was changed, and is not edited: nothing may be tuned to it. A line is a JSON object.

    group      one of `GROUPS`
    prompt     the text
    shows      whether the world of moving things can show all of it
    cannot     the words of the prompt that it cannot show; only if `shows` is false
    things     each with a name, and what is stated of it; a `count` is exact, without one it is
               "at least one"; `motions` are in the order of time; `not` holds colours, motions and
               events that the thing may not have; `differ` is an attribute that differs within it
    only       true if nothing but `things` may be in the clip
    relations  triples: name, relation, name
    events     in the order of time: `what`, and where stated `who`, `whom` and `colour`
    camera     movements in the order of time
    floor      a floor
    sky        skies in the order of time; "any" stands for an unstated one
    not        values that the clip may not have, by slot
    shots      of a clip with cuts: the floor and sky of each shot, in order
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ...errors import ConfigError, check_choice, check_range
from ...world.scene import CAMERAS, FLOORS, SIZES, SKIES

FREE = Path(__file__).parents[1] / "held_out" / "free.jsonl"

GROUPS = ("order", "negation", "two", "counts", "place", "camera", "time", "acts")
FREE_KINDS = (
    "ball", "cube", "cylinder", "cone", "car", "person", "dog", "tree", "house", "tower", "lamp",
)  # fmt: skip
FREE_COLOURS = (
    "red", "orange", "yellow", "green", "blue", "purple", "white", "black", "pink", "brown",
    "grey", "cyan",
)  # fmt: skip
FREE_MOTIONS = ("left", "right", "toward", "away", "move", "bounce", "fall", "spin", "still")
EVENTS = (
    "push", "hit", "topple", "fall off", "hide", "enter", "leave", "return", "stroke", "light",
    "cut", "move", "left", "right", "fall",
)  # fmt: skip
FREE_RELATIONS = (
    "left of", "right of", "behind", "in front of", "between", "beside", "on", "larger than",
    "opposite way to",
)  # fmt: skip
FREE_SLOTS: Mapping[str, Sequence[str]] = {
    "kind": FREE_KINDS,
    "floor": FLOORS,
    "sky": SKIES,
    "event": EVENTS,
}


@dataclass(frozen=True, slots=True)
class ThingFact:
    """The facts stated about one thing, or several alike; None and () are unstated."""

    name: str
    kind: str | None = None
    colour: str | None = None
    size: str | None = None
    count: int | None = None
    motions: tuple[str, ...] = ()
    banned: tuple[str, ...] = ()
    differ: str | None = None

    def __post_init__(self) -> None:
        _check_word("kind", self.kind, FREE_KINDS)
        _check_word("colour", self.colour, FREE_COLOURS)
        _check_word("size", self.size, SIZES)
        _check_word("differ", self.differ, ("colour",))
        if self.count is not None:
            check_range("count", self.count, 1, 5)
        for motion in self.motions:
            _check_word("motion", motion, FREE_MOTIONS)
        for value in self.banned:
            _check_word("not", value, (*FREE_COLOURS, *FREE_MOTIONS, *EVENTS))


@dataclass(frozen=True, slots=True)
class EventFact:
    """An event: `who` does `what` to `whom`."""

    what: str
    who: str | None = None
    whom: str | None = None
    colour: str | None = None

    def __post_init__(self) -> None:
        _check_word("event", self.what, EVENTS)
        _check_word("colour", self.colour, FREE_COLOURS)


@dataclass(frozen=True, slots=True)
class ShotFact:
    """The setting of one shot between cuts."""

    floor: str | None = None
    sky: str | None = None

    def __post_init__(self) -> None:
        _check_word("floor", self.floor, FLOORS)
        _check_word("sky", self.sky, SKIES)


@dataclass(frozen=True, slots=True)
class DemandedFacts:
    """Everything that a clip must show."""

    things: tuple[ThingFact, ...] = ()
    only: bool = False
    relations: tuple[tuple[str, str, str], ...] = ()
    events: tuple[EventFact, ...] = ()
    camera: tuple[str, ...] = ()
    floor: str | None = None
    sky: tuple[str, ...] = ()
    banned: Mapping[str, Sequence[str]] = field(default_factory=dict)
    shots: tuple[ShotFact, ...] = ()

    def __post_init__(self) -> None:
        names = [thing.name for thing in self.things]
        if len(set(names)) < len(names):
            raise ConfigError(f"things {names}: each needs a name of its own")
        for one, relation, other in self.relations:
            _check_word("relation", relation, FREE_RELATIONS)
            _check_word("name", one, names)
            _check_word("name", other, names)
        for event in self.events:
            _check_word("name", event.who, names)
            _check_word("name", event.whom, names)
        for camera in self.camera:
            _check_word("camera", camera, CAMERAS)
        _check_word("floor", self.floor, FLOORS)
        for sky in self.sky:
            _check_word("sky", sky, (*SKIES, "any"))
        for slot, values in self.banned.items():
            _check_word("slot", slot, tuple(FREE_SLOTS))
            for value in values:
                _check_word(slot, value, FREE_SLOTS[slot])


@dataclass(frozen=True, slots=True)
class FreePrompt:
    """A prompt, the facts that its clip must show, and its words that the world cannot show."""

    group: str
    prompt: str
    shows: bool
    facts: DemandedFacts
    cannot: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_word("group", self.group, GROUPS)
        if self.shows == bool(self.cannot):
            raise ConfigError(f"{self.prompt!r}: `cannot` holds words if and only if not `shows`")
        for words in self.cannot:
            if words not in self.prompt:
                raise ConfigError(f"cannot {words!r}: the prompt {self.prompt!r} does not have it")
        if self.shows and self.facts == DemandedFacts():
            raise ConfigError(f"{self.prompt!r} has no facts: state what a viewer must see")


def free_prompts(path: Path = FREE) -> list[FreePrompt]:
    """The prompts in the file at `path`; a `ConfigError` names the line that is not one."""
    prompts = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            prompts.append(_prompt(json.loads(line)))
        except (ConfigError, json.JSONDecodeError) as error:
            raise ConfigError(f"{path.name}, line {number}: {error}") from error
    return prompts


def _prompt(stated: dict[str, Any]) -> FreePrompt:
    facts = {name: value for name, value in stated.items() if name not in _OF_PROMPT}
    facts["things"] = tuple(_thing_fact(thing) for thing in facts.get("things", ()))
    facts["relations"] = tuple(tuple(triple) for triple in facts.get("relations", ()))
    facts["events"] = tuple(_build(EventFact, event) for event in facts.get("events", ()))
    facts["shots"] = tuple(_build(ShotFact, shot) for shot in facts.get("shots", ()))
    facts["camera"] = tuple(facts.get("camera", ()))
    facts["sky"] = tuple(facts.get("sky", ()))
    facts["banned"] = facts.pop("not", {})
    of_prompt = {name: value for name, value in stated.items() if name in _OF_PROMPT}
    of_prompt["cannot"] = tuple(of_prompt.get("cannot", ()))
    return _build(FreePrompt, {**of_prompt, "facts": _build(DemandedFacts, facts)})


def _thing_fact(stated: dict[str, Any]) -> ThingFact:
    lists = {"motions": tuple(stated.get("motions", ())), "banned": tuple(stated.get("not", ()))}
    return _build(ThingFact, {**{k: v for k, v in stated.items() if k != "not"}, **lists})


def _build(kind: type, values: dict[str, Any]) -> Any:  # noqa: ANN401
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise ConfigError(f"{', '.join(unknown)}: not a field; choose from {', '.join(known)}")
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"{values}: {error}") from error


def _check_word(name: str, value: str | None, allowed: Sequence[str]) -> None:
    if value is not None:
        check_choice(name, value, allowed)


_OF_PROMPT = {"group", "prompt", "shows", "cannot"}
