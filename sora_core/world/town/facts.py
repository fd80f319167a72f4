"""What is true of a scene, clause by clause, from its labels and its relations."""

from dataclasses import dataclass

import numpy as np

from .bodies import stroke_rows
from .motion import fall_seconds
from .relations import relation_holds
from .scene import Move, Shot, TownScene, TownThing
from .visibility import shot_lengths, visible_shares

LEAST_MOTION_SECONDS = 0.2  # seconds that a motion has to last to be stated
PASSAGES = {
    "hidden": ("hidden",),
    "left": ("leaves", "returns"),
    "gone": ("leaves",),
    "enter": ("enters",),
}
"""By recipe, what the subject does: it is hidden and comes back, leaves, returns or enters."""
RELATIONS = ("left of", "right of", "behind", "in front of", "on", "near")


@dataclass(frozen=True, slots=True)
class Fact:
    """One clause of a text, about shot `shot`; `negated` states that it is not so.

    `what` and `value`: "kind", "colour", "size", "pattern" of `thing` (an identity; with thing -1
    of anything in the shot); "motion" with `order`, the number of
    its earlier motions; "relation" of `thing` to `other` (and `third` for "between"); "contact" of
    `thing` with `other`; "count" of `of` ("thing", a kind, or a colour and a kind); "floor", "sky"
    (when the shot begins), "weather", "camera", "angle", "framing"; "light" (the sky it turns
    into), "lamp" ("lit"), "recolour" (the later colour), "stroke" (its style) by `thing`;
    "visible" of `thing`: "hidden" behind something and back, "leaves", "returns" or "enters";
    "same" (`thing` was in an earlier shot); "cut" at `value` seconds, to shot `shot`;
    "shots" how many there are.
    """

    what: str
    value: str
    thing: int = -1
    other: int = -1
    third: int = -1
    shot: int = 0
    order: int = 0
    negated: bool = False
    of: str = ""


def facts_of(scene: TownScene, seconds: float = 2.0) -> tuple[Fact, ...]:
    """All facts of a clip of `seconds`; for 0, a single frame, none that needs time."""
    found: list[Fact] = []
    displayed: set[int] = set()
    for i, (shot, length) in enumerate(shot_lengths(scene, seconds)):
        if i:
            found.append(Fact("cut", f"{shot.start:g}", shot=i))
            found += [
                Fact("same", "", thing=t.identity, shot=i)
                for t in shot.stage.things
                if t.identity in displayed
            ]
        displayed |= {thing.identity for thing in shot.stage.things}
        found += _looks_of_shot(shot, i) + _counts(shot, i) + _place(shot, i, length)
        found += _relations(shot, i, length)
        if length:
            found += _motions(shot, i, length) + _changes(shot, i, length)
            found += _visibility(scene, shot, i, length)
    return tuple(found)


def motions_within(thing: TownThing, shot: Shot, length: float) -> list[tuple[str, int]]:
    """Names and order of a thing's noticeable motions in a shot; [("still", 0)] if none."""
    begin, end = shot.offset, shot.offset + length
    displayed: list[tuple[str, float, float]] = []
    for move in sorted(thing.moves, key=lambda move: move.start):
        start, stop = max(move.start, begin), min(_active_until(move), end)
        enough = min(LEAST_MOTION_SECONDS, 0.45 * length)
        if stop - start >= enough and _is_plain(move, start, stop):
            if displayed and displayed[-1][0] == move.name and move.verb == "go":
                displayed[-1] = (move.name, displayed[-1][1], stop)
            else:
                displayed.append((move.name, start, stop))
    if not displayed:
        return [("still", 0)] if not thing.moves else []
    ordered, order = [], 0
    for k, (name, start, _) in enumerate(displayed):
        order += k > 0 and start > displayed[k - 1][1] + 0.1
        ordered.append((name, order))
    goes = [m for m in thing.moves if m.verb == "go"]
    if goes and goes[-1].stop < end - 0.25 and goes[-1].name in [name for name, _ in ordered]:
        later = [name for name, start, _ in displayed if start >= goes[-1].stop - 0.05]
        if not later and max(stop for _, _, stop in displayed) < end - 0.25:
            ordered.append(("stop", order + 1))
    return ordered


def _active_until(move: Move) -> float:
    if move.verb in ("topple", "scatter"):
        return move.start + 0.6
    if move.verb in ("fall", "drop"):
        return move.start + fall_seconds(move.amount)
    return move.stop


def _is_plain(move: Move, start: float, stop: float) -> bool:
    """Whether a move is large enough between two times to be noticed."""
    lasted = stop - start
    if move.verb == "go":
        whole = (move.dx**2 + move.dz**2) ** 0.5
        return whole * lasted / (move.stop - move.start) > 0.09
    if move.verb in ("fall", "drop"):
        return 1.5 * (stop - move.start) ** 2 > 0.3 and start < move.start + 0.1
    if move.verb == "circle":
        return 6.28 * lasted / abs(move.period) > 0.4
    if move.verb in ("topple", "scatter"):
        return lasted > 0.45
    if move.verb == "grow":
        return lasted / (move.stop - move.start) > 0.6
    return lasted > 0.48 if move.verb in ("bounce", "jump", "sway") else lasted > 0.18


def _looks_of_shot(shot: Shot, i: int) -> list[Fact]:
    found = []
    for thing in shot.stage.things:
        colour = thing.repaint if thing.repaint_at < shot.offset else thing.colour
        for what, value in (
            ("kind", thing.kind),
            ("colour", colour),
            ("size", thing.size),
            ("pattern", thing.pattern),
        ):
            found.append(Fact(what, value, thing.identity, shot=i))
    return found


def _counts(shot: Shot, i: int) -> list[Fact]:
    tally: dict[str, int] = {"thing": len(shot.stage.things)}
    for thing in shot.stage.things:
        for of in (thing.kind, f"{thing.colour} {thing.kind}"):
            tally[of] = tally.get(of, 0) + 1
    return [Fact("count", str(number), shot=i, of=of) for of, number in tally.items()]


def _place(shot: Shot, i: int, length: float) -> list[Fact]:
    stage = shot.stage
    sky = sky_at(shot, 0.0)
    found = [Fact("floor", stage.floor, shot=i), Fact("weather", stage.weather, shot=i)]
    found += [Fact("sky", sky, shot=i)] if sky else []
    found += [Fact("angle", shot.view.angle, shot=i), Fact("framing", shot.view.framing, shot=i)]
    if length >= 0.25:
        found.append(Fact("camera", shot.view.camera, shot=i))
    return found


def sky_at(shot: Shot, local: float) -> str:
    """The sky at a time of a shot; empty while it changes."""
    change, clock = shot.stage.light, shot.offset + local
    if change is None or clock <= change.start + 0.15 * (change.stop - change.start):
        return shot.stage.sky
    return change.sky if clock >= change.stop else ""


def _motions(shot: Shot, i: int, length: float) -> list[Fact]:
    return [
        Fact("motion", name, thing.identity, shot=i, order=order)
        for thing in shot.stage.things
        for name, order in motions_within(thing, shot, length)
    ]


def _relations(shot: Shot, i: int, length: float) -> list[Fact]:
    things, found = shot.stage.things, []
    times = np.array([0.0, length])
    for first in range(len(things)):
        for second in range(len(things)):
            if first == second:
                continue
            for relation in RELATIONS:
                if relation_holds(relation, shot, (first, second), times):
                    names = things[first].identity, things[second].identity
                    found.append(Fact("relation", relation, *names, shot=i))
            for third in range(second + 1, len(things)):
                chosen = (first, second, third)
                if third != first and relation_holds("between", shot, chosen, times):
                    names = tuple(things[k].identity for k in chosen)
                    found.append(Fact("relation", "between", *names, shot=i))
    return found


def _changes(shot: Shot, i: int, length: float) -> list[Fact]:
    stage, end, found = shot.stage, shot.offset + length, []
    for c in stage.contacts:
        if shot.offset <= c.time < end - LEAST_MOTION_SECONDS:
            pair = stage.things[c.first].identity, stage.things[c.second].identity
            found.append(Fact("contact", c.verb, *pair, shot=i))
    if stage.light and stage.light.stop <= end + 1e-9 and shot.offset <= stage.light.start:
        found.append(Fact("light", stage.light.sky, shot=i))
    for thing in stage.things:
        if shot.offset <= thing.lit_at < end - 0.35:
            found.append(Fact("lamp", "lit", thing.identity, shot=i))
        if shot.offset <= thing.repaint_at < end - 0.35:
            found.append(Fact("recolour", thing.repaint, thing.identity, shot=i))
    area = stroke_rows(stage, np.array([shot.offset, end]))[1]
    for stroke in stage.strokes:
        if area[1] - area[0] > 0.15:
            thing = stage.things[stroke.thing].identity
            found.append(Fact("stroke", stroke.style, thing, shot=i))
    return found


def _visibility(scene: TownScene, shot: Shot, i: int, length: float) -> list[Fact]:
    return [
        Fact("visible", verb, scene.subject, shot=i)
        for verb in PASSAGES.get(scene.kind, ())
        if shows_passage(verb, shot, scene.subject, length)
    ]


def shows_passage(verb: str, shot: Shot, identity: int, length: float) -> bool:
    """Whether a thing is hidden and comes back, leaves, returns or enters, in a square view."""
    number = [thing.identity for thing in shot.stage.things].index(identity)
    times = np.linspace(0, length, max(int(length * 16), 6))
    shares = visible_shares(shot, times)[number]
    gone = np.flatnonzero(shares < 0.02)
    if not len(gone):
        return False
    before, after = shares[: gone[0]].max(initial=0), shares[gone[-1] :].max(initial=0)
    if verb == "leaves":
        return before > 0.5
    return after > 0.5 if verb == "enters" else before > 0.3 and after > 0.3
