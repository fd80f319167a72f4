"""Whether the facts that a prompt states hold for the things observed in a clip. Axes: t frames.

Motions, relations and events are computed from positions over time: each rule below is plain
geometry, in widths of the thing or shares of the frame. The things of a prompt are matched with
those observed in every possible order, and the best match counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, permutations

import numpy as np

from .free_prompts import DemandedFacts, EventFact, ThingFact
from .observe import Observed, Scenery

KIND_SYNONYMS: Mapping[str, tuple[str, ...]] = {"person": ("person", "man", "woman")}
COLOUR_SYNONYMS: Mapping[str, tuple[str, ...]] = {"cyan": ("cyan", "turquoise")}
SKY_WORDS: Mapping[str, tuple[str, ...]] = {
    "day": ("day", "cloudy"),
    "sunset": ("sunset", "dawn"),
}
MOVED = 0.35  # widths that a moving thing travels in all, at least
NEARER = 1.12  # times as large: toward the camera
HOPS = 0.3  # heights that a bounce rises
EDGE_WIDTHS = 0.5  # widths from the border within which a thing leaves or enters
BESIDE = 3.0  # widths apart
TOUCH = 1.4  # distance in sums of both half widths within which two things touch


def holds(facts: DemandedFacts, clip: Scenery) -> bool:
    """Whether every fact holds."""
    setting = _setting(facts, clip)
    return setting and any(_matched(facts, clip, names) for names in _assignments(facts, clip))


def _setting(facts: DemandedFacts, clip: Scenery) -> bool:
    floors, skies = set(clip.floors), _settled(clip.skies)
    if facts.floor and facts.floor not in floors:
        return False
    if facts.sky and not _follows(facts.sky, skies, SKY_WORDS):
        return False
    if facts.camera and facts.camera[-1] != clip.camera:
        return False
    banned = facts.banned
    if floors & set(banned.get("floor", ())) or set(skies) & _all(banned.get("sky", ()), SKY_WORDS):
        return False
    kinds = {thing.words["kind"] for thing in clip.things}
    if kinds & _all(banned.get("kind", ()), KIND_SYNONYMS):
        return False
    if facts.only and len(clip.things) != sum(thing.count or 1 for thing in facts.things):
        return False
    return _shots(facts, clip)


def _shots(facts: DemandedFacts, clip: Scenery) -> bool:
    if not facts.shots:
        return True
    bounds = [0, *clip.cuts, len(clip.floors)]
    parts = list(pairwise(bounds))
    if len(parts) != len(facts.shots):
        return False
    for shot, (start, end) in zip(facts.shots, parts, strict=True):
        middle = (start + end) // 2
        if shot.floor and clip.floors[middle] != shot.floor:
            return False
        if shot.sky and clip.skies[middle] not in SKY_WORDS.get(shot.sky, (shot.sky,)):
            return False
    return True


Names = Mapping[str, list[Observed]]


def _assignments(facts: DemandedFacts, clip: Scenery) -> Iterator[Names]:
    """Every assignment of observed things to stated ones by kind, colour and size."""
    slots = [thing for thing in facts.things for _ in range(thing.count or 1)]
    if not slots:
        yield {}
        return
    for order in permutations(clip.things, len(slots)):
        if all(_has_looks(thing, one) for thing, one in zip(slots, order, strict=True)):
            names: dict[str, list[Observed]] = {}
            for thing, one in zip(slots, order, strict=True):
                names.setdefault(thing.name, []).append(one)
            yield names


def _has_looks(thing: ThingFact, one: Observed) -> bool:
    words = one.words
    if thing.kind and words["kind"] not in KIND_SYNONYMS.get(thing.kind, (thing.kind,)):
        return False
    if thing.colour and words["colour"] not in COLOUR_SYNONYMS.get(thing.colour, (thing.colour,)):
        return False
    if words["colour"] in _all(thing.banned, COLOUR_SYNONYMS):
        return False
    return not thing.size or thing.size == "medium" or words["size"] == thing.size


def _matched(facts: DemandedFacts, clip: Scenery, names: Names) -> bool:
    for thing in facts.things:
        for one in names.get(thing.name, ()):
            if not _moves(thing, one):
                return False
        if thing.count and _count_alike(thing, clip) != thing.count:
            return False
        if thing.differ:
            colours = [one.words["colour"] for one in names[thing.name]]
            if len(set(colours)) < len(colours):
                return False
    for one, relation, other in facts.relations:
        if not related(relation, names[one], names[other], clip):
            return False
    return _events(facts, clip, names)


def _count_alike(thing: ThingFact, clip: Scenery) -> int:
    """The number of things in the clip that look like `thing`."""
    return sum(_has_looks(thing, one) for one in clip.things)


def _moves(thing: ThingFact, one: Observed) -> bool:
    if any(motion in thing.banned and does(motion, one) for motion in MOTION_NAMES):
        return False
    if not thing.motions:
        return True
    parts = np.array_split(np.flatnonzero(one.visible), len(thing.motions))
    return all(does(m, one, at) for m, at in zip(thing.motions, parts, strict=True))


MOTION_NAMES = ("left", "right", "toward", "away", "move", "bounce", "fall", "spin", "still")


def does(motion: str, one: Observed, at: np.ndarray | None = None) -> bool:
    """Whether a thing makes the motion in the frames `at`, by default all in which it is found."""
    at = np.flatnonzero(one.visible) if at is None else at
    if len(at) < 2:
        return False
    x, y, wide, tall = (values[at] for values in (one.x, one.y, one.wide, one.tall))
    size = 2 * float(np.median(wide))
    across = (x[-1] - x[0]) / size
    ends = max(1, len(at) // 4)
    grown = float(np.median(wide[-ends:]) / np.median(wide[:ends]))
    spins = float(np.nanmean(one.spins[at])) > 0.5
    lifted = (y.max() - y) / (2 * float(np.median(tall)))
    hops = int((np.diff(np.sign(np.diff(y[np.r_[True, np.diff(y) != 0]]))) != 0).sum())
    match motion:
        case "left":
            return across < -MOVED
        case "right":
            return across > MOVED
        case "toward":
            return grown > NEARER
        case "away":
            return grown < 1 / NEARER
        case "move":
            return abs(across) > MOVED or not 1 / NEARER < grown < NEARER
        case "bounce":
            return lifted.max() > HOPS and hops >= 2
        case "fall":
            landed = int(np.argmax(lifted < HOPS / 2))
            rests = landed > 0 and lifted[landed:].max() < HOPS  # a small hop is allowed
            return lifted[: max(1, len(at) // 3)].max() > HOPS and rests
        case "spin":
            return spins and abs(across) < MOVED
    rests = abs(across) < MOVED and 1 / NEARER < grown < NEARER
    return bool(rests and lifted.max() < HOPS and not spins)


def related(
    relation: str, some: Sequence[Observed], others: Sequence[Observed], clip: Scenery
) -> bool:
    """Whether each of `some` is in the relation to each of `others`, at the end of the clip."""
    if relation == "between":
        return (
            all(
                min(_last(o.x) for o in others) < _last(one.x) < max(_last(o.x) for o in others)
                for one in some
            )
            and len(others) > 1
        )
    return all(_related(relation, one, other, clip) for one in some for other in others)


def _related(relation: str, one: Observed, other: Observed, clip: Scenery) -> bool:
    x, y, wide, tall = (_last(v) for v in (one.x, one.y, one.wide, one.tall))
    u, v, broad, high = (_last(w) for w in (other.x, other.y, other.wide, other.tall))
    match relation:
        case "left of":
            return x < u - 0.5 * min(wide, broad)
        case "right of":
            return x > u + 0.5 * min(wide, broad)
        case "behind":
            return y + tall < v + high - 0.02 * clip.height  # feet farther up the floor
        case "in front of":
            return y + tall > v + high + 0.02 * clip.height
        case "on":
            return abs(x - u) < broad and abs(y + tall - (v - high)) < 0.6 * high
        case "beside":
            return abs(x - u) < BESIDE * (wide + broad)
        case "larger than":
            return wide * tall > 1.2 * broad * high
    across = [_span(thing.x) for thing in (one, other)]
    return across[0] * across[1] < 0  # opposite sides


def _events(facts: DemandedFacts, clip: Scenery, names: Names) -> bool:
    """Whether the events happen, in their order."""
    since = -1.0
    for event in facts.events:
        times = _event_frames(event, clip, names)
        later = [time for time in times if time >= since - 1]
        if not later:
            return False
        since = min(later)
    banned = facts.banned.get("event", ())
    return not any(
        _event_frames(EventFact(what, one, other), clip, names)
        for what in banned
        for one in names
        for other in names
        if one != other
    )


def _event_frames(event: EventFact, clip: Scenery, names: Names) -> list[float]:
    """The frames at which the event can have happened; () if it did not."""
    what = event.what
    if what == "cut":
        return [float(t) for t in clip.cuts]
    if what == "stroke":
        wanted = COLOUR_SYNONYMS.get(event.colour or "", (event.colour,))
        return [
            float(np.argmax(area > area.max() / 2))
            for colour, area in clip.strokes.items()
            if colour in wanted and area.max() > 0.01 and area[-1] >= 0.7 * area.max()
        ]
    if what == "light":
        lamps = [t for t in clip.things if t.words["kind"] == "lamp"]
        return [0.0] if lamps else []
    found: list[float] = []
    for one in names.get(event.who or "", ()):
        if event.whom is None:
            found += _crossings(what, one, clip)
        else:
            for other in names.get(event.whom, ()):
                found += _together(what, one, other)
    return found


def _crossings(what: str, one: Observed, clip: Scenery) -> list[float]:
    at = np.flatnonzero(one.visible).tolist()
    gaps = [(a, b) for a, b in pairwise(at) if b - a > 1]
    near = [_at_border(one, t, clip) for t in at]
    last = len(one.x) - 1
    match what:
        case "leave":
            ends = [float(a) for a, _ in gaps if _at_border(one, a, clip)]
            return ends + ([float(at[-1])] if at[-1] < last and near[-1] else [])
        case "enter":
            return [float(at[0])] if near[0] else []
        case "return":
            return [float(b) for a, b in gaps if _at_border(one, b, clip)]
        case "hide":
            return [float(a) for a, _ in gaps if not _at_border(one, a, clip)]
        case "topple":
            return [float(np.argmax(one.fallen > 0.5))] if np.nanmax(one.fallen) > 0.5 else []
        case "fall off":
            return [float(at[-1])] if does("fall", one) else []
        case "light":
            return [0.0]
    if what in MOTION_NAMES and does(what, one):
        steps = np.abs(np.diff(one.x[at])) + np.abs(np.diff(one.y[at]))
        return [float(at[int(np.argmax(steps > 0.4 * steps.max()))])]
    return []


def _together(what: str, one: Observed, other: Observed) -> list[float]:
    both = np.flatnonzero(one.visible & other.visible)
    if len(both) < 3:
        return []
    gap = np.abs(one.x - other.x)[both] / (one.wide + other.wide)[both]
    contact = both[gap < TOUCH]
    if not len(contact):
        return []
    first = float(contact[0])
    after = other.x[other.visible][-1] - other.x[int(first)]
    moved = abs(after) > MOVED * 2 * float(np.nanmedian(other.wide))
    match what:
        case "hit":
            return [first]
        case "push":
            return [first] if moved else []
        case "topple":
            fell = np.nanmax(other.fallen) > 0.5
            squashed = _last(other.tall) < 0.75 * float(np.nanmax(other.tall))
            return [first] if fell or squashed else []
    return []


def _at_border(one: Observed, t: int, clip: Scenery) -> bool:
    capacity = min(one.x[t] - one.wide[t], clip.width - one.x[t] - one.wide[t])
    return bool(capacity < EDGE_WIDTHS * 2 * one.wide[t])


def _last(values: np.ndarray) -> float:
    return float(values[~np.isnan(values)][-1])


def _span(values: np.ndarray) -> float:
    there = values[~np.isnan(values)]
    return float(there[-1] - there[0])


def _settled(values: Sequence[str]) -> list[str]:
    """`values` without repetitions, in order, single frames between others left out."""
    found: list[str] = []
    for before, value in zip([*values[:1], *values], values, strict=False):
        if value == before and (not found or found[-1] != value):
            found.append(value)
    return found or list(values[:1])


def _follows(wanted: Sequence[str], found: Sequence[str], words: Mapping[str, tuple]) -> bool:
    """Whether `wanted` appear in `found` in their order, the last one at the end."""
    if len(wanted) == 1:
        return all(value in words.get(wanted[0], wanted) for value in found)
    first = wanted[0] == "any" or found[0] in words.get(wanted[0], (wanted[0],))
    return first and len(found) > 1 and found[-1] in words.get(wanted[-1], (wanted[-1],))


def _all(names: Sequence[str], words: Mapping[str, tuple[str, ...]]) -> set[str]:
    return {word for name in names for word in words.get(name, (name,))}
