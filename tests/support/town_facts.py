"""Whether a fact of a town scene holds, measured from positions over time as a viewer would.

Axes: t samples in time, k bodies of a thing.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from sora_core.world.town.bodies import stroke_rows, thing_rows
from sora_core.world.town.facts import Fact, motions_within, shows_passage, sky_at
from sora_core.world.town.motion import path, pose, yaw
from sora_core.world.town.palette import LEVELS
from sora_core.world.town.relations import relation_holds
from sora_core.world.town.scene import Shot, TownScene, TownThing
from sora_core.world.town.things import half_extents
from sora_core.world.town.visibility import shot_lengths

RATE = 48.0  # samples a second
PACE = 0.12  # world units a second; slower is no motion


@dataclass(frozen=True, slots=True)
class Watched:
    """A thing during a shot, sampled RATE times a second."""

    thing: TownThing
    length: float
    times: Float[ndarray, "t"]
    origin: Float[ndarray, "t 3"]
    yaw: Float[ndarray, "t"]
    up: Float[ndarray, "t 3"]
    grow: Float[ndarray, "t"]
    rows: Float[ndarray, "t k row"]

    def onset(self, motion: str) -> float | None:
        """The first time at which `motion` is measured, in seconds of the shot; None without it."""
        flags = self._flags(motion)
        found = np.flatnonzero(flags)
        return float(self.times[found[0]]) if len(found) else None

    def _flags(self, motion: str) -> ndarray:
        step = np.diff(self.times, append=self.times[-1] + 1 / RATE)[:, None]
        speed = np.diff(self.origin, axis=0, append=self.origin[-1:]) / step
        across, along = speed[:, 0], speed[:, 2]
        level = self.origin[:, 1]
        match motion:
            case "left" | "right":
                side = across if motion == "right" else -across
                return (side > PACE) & (side > 1.8 * np.abs(along))
            case "toward" | "away":
                side = along if motion == "away" else -along
                return (side > PACE) & (side > 1.8 * np.abs(across))
            case "toward left" | "toward right" | "away left" | "away right":
                depth = along if motion.startswith("away") else -along
                side = across if motion.endswith("right") else -across
                return (depth > 0.6 * PACE) & (side > 0.6 * PACE)
            case "bounce" | "jump":
                return np.abs(level - level[0]) > 0.08
            case "fall" | "drop":
                return np.maximum.accumulate(level) - level > 0.2
            case "spin" | "turn":
                return np.abs(self.yaw - self.yaw[0]) > 0.2
            case "circle":
                heading = np.unwrap(np.arctan2(along, across))[:-1]
                turned = np.abs(heading - heading[0]) > 0.15
                return np.append(turned, False) & (np.hypot(across, along) > PACE)
            case "sway":
                return np.abs(self.up[:, 0] - self.up[0, 0]) > 0.02
            case "topple":
                return self.up[:, 1] < 0.85
            case "scatter":
                moved = np.linalg.norm(self.rows[:, :, 4:7] - self.rows[0, :, 4:7], axis=-1)
                return moved.max(axis=1) > 0.2
            case "grow":
                return self.grow > self.grow[0] * 1.08
            case "shrink":
                return self.grow < self.grow[0] * 0.94
            case "stop":
                pace = np.hypot(across, along)
                rests = np.maximum.accumulate(pace[::-1])[::-1] < 0.02  # to the end
                return (np.maximum.accumulate(pace) > PACE) & rests
            case "still":
                still = np.ptp(self.rows[:, :, 4:7], axis=0).max(initial=0) < 0.02
                calm = still and np.ptp(self.yaw) < 0.05 and np.ptp(self.grow) < 0.01
                return np.full(len(self.times), calm)
        return np.zeros(len(self.times), bool)


def watch(thing: TownThing, shot: Shot, length: float) -> Watched:
    """The thing sampled RATE times a second, for the first `length` seconds of a shot."""
    times = np.linspace(0, length, max(int(length * RATE), 4))
    clock = times + shot.offset
    at = pose(thing, clock)
    rows = thing_rows(thing, clock, 0)
    return Watched(
        thing, length, times, at.origin, yaw(thing, clock), at.turn[:, :, 1], at.grow, rows
    )


def holds_in(fact: Fact, scene: TownScene, seconds: float = 2.0) -> bool:
    """Whether `fact` is true of a clip of `seconds`."""
    lengths = shot_lengths(scene, seconds)
    if fact.shot >= len(lengths):
        return fact.negated
    return _positive(fact, lengths, fact.shot) != fact.negated


def _positive(fact: Fact, lengths: list[tuple[Shot, float]], i: int) -> bool:
    shot, length = lengths[i]
    stage = shot.stage
    names = [thing.identity for thing in stage.things]
    if fact.thing >= 0 and fact.thing not in names:
        return False
    thing = stage.things[names.index(fact.thing)] if fact.thing >= 0 else None
    match fact.what:
        case "shots":
            return fact.value == str(len(lengths))
        case "cut":
            return i > 0 and abs(float(fact.value) - shot.start) < 5e-3
        case "same":
            return any(fact.thing == t.identity for s, _ in lengths[:i] for t in s.stage.things)
        case "kind" | "colour" | "size" | "pattern":
            asked = [thing] if thing else stage.things
            return any(fact == looks for t in asked for looks in _as(fact, t, shot))
        case "count":
            return fact.value == str(sum(_refers_to(fact.of, t) for t in stage.things))
        case "floor" | "weather":
            return getattr(stage, fact.what) == fact.value
        case "sky":
            return sky_at(shot, 0.0) == fact.value
        case "camera":
            moving = shot.view.camera not in ("static", "handheld")
            return moving if fact.value == "moving" else shot.view.camera == fact.value
        case "angle" | "framing":
            return getattr(shot.view, fact.what) == fact.value
    return _holds_in_view(fact, shot, length, names)


def _as(fact: Fact, thing: TownThing | None, shot: Shot) -> list[Fact]:
    """The looks of a thing as facts like `fact`."""
    if thing is None:
        return []
    value = getattr(thing, fact.what)
    if fact.what == "colour" and thing.repaint_at < shot.offset:
        value = thing.repaint
    return [replace(fact, value=value)]


def _refers_to(of: str, thing: TownThing) -> bool:
    return of in ("thing", thing.kind, f"{thing.colour} {thing.kind}")


def _holds_in_view(fact: Fact, shot: Shot, length: float, names: list[int]) -> bool:
    """Whether a fact holds that depends on positions during the shot."""
    stage = shot.stage
    number = names.index(fact.thing) if fact.thing >= 0 else -1
    end = np.array([shot.offset, shot.offset + length])
    match fact.what:
        case "relation":
            others = [names.index(k) for k in (fact.other, fact.third) if k in names]
            return relation_holds(fact.value, shot, (number, *others), np.array([0.0, length]))
        case "motion":
            watched = watch(stage.things[number], shot, length)
            onset = watched.onset(fact.value)
            return onset is not None and _begins_in_order(fact, stage.things[number], shot, watched)
        case "contact":
            other = names.index(fact.other)
            return any(
                (c.verb, c.first, c.second) == (fact.value, number, other)
                and end[0] <= c.time <= end[1]
                and _touch(shot, c.time, number, other)
                for c in stage.contacts
            )
        case "light":
            change = stage.light
            if change is None or change.sky != fact.value or change.stop > end[1] + 1e-9:
                return False
            return LEVELS[change.sky] != LEVELS[stage.sky]
        case "lamp":
            return shot.offset <= stage.things[number].lit_at < end[1]
        case "recolour":
            thing = stage.things[number]
            return thing.repaint == fact.value and shot.offset <= thing.repaint_at < end[1]
        case "stroke":
            own = [s for s in stage.strokes if s.thing == number and s.style == fact.value]
            area = stroke_rows(stage, end)[1]
            return bool(own) and bool(area[1] > area[0] + 0.1)
        case "visible":
            return shows_passage(fact.value, shot, fact.thing, length)
    return False


def _begins_in_order(fact: Fact, thing: TownThing, shot: Shot, watched: Watched) -> bool:
    """Whether the motions of lower order begin earlier than this one."""
    stated = motions_within(thing, shot, watched.length)
    if fact.order != dict(stated).get(fact.value, fact.order):
        return len([v for v in stated if v == (fact.value, fact.order)]) > 0
    first: dict[int, float] = {}
    for name, order in stated:
        onset = watched.onset(name)
        if order <= fact.order and onset is not None:
            first[order] = min(onset, first.get(order, onset))
    return all(first[early] <= first[late] + 0.15 for early, late in pairwise(sorted(first)))


def _touch(shot: Shot, clock: float, first: int, second: int) -> bool:
    """Whether two things are as near as their sizes when they meet."""
    at = np.array([clock])
    (x, z), (u, w) = (path(shot.stage.things[k], at) for k in (first, second))
    reach = sum(max(half_extents(shot.stage.things[k])[::2]) for k in (first, second))
    return bool(np.hypot(x - u, z - w)[0] <= reach + 0.1)
