"""Recipes of several things: counts, relations, and crowds where each has its own motion."""

from dataclasses import replace
from math import pi

from .actions import single
from .draw import Draw
from .motion import jump_seconds
from .scene import KINDS, Move, Shot, TownScene, TownThing
from .things import TOPPLING, footprint, height

STANDING_RELATIONS = ("left of", "right of", "behind", "in front of", "on")
COUNTABLE = ("ball", "cube", "cylinder", "cone", "car", "man", "woman", "dog", "cat", "tree")
PARTNERS = (
    "ball",
    "cube",
    "cylinder",
    "cone",
    "car",
    "man",
    "woman",
    "dog",
    "cat",
    "tree",
    "robot",
)
SUPPORTS = ("cube", "cylinder", "table")


def relation_of(first: TownThing, second: TownThing) -> str:
    """The relation of the first thing to the second, for a camera in front."""
    if first.base > second.base:
        return "on"
    if abs(first.z - second.z) > 1.2:
        return "behind" if first.z > second.z else "in front of"
    return "left of" if first.x < second.x else "right of"


def own_motion(d: Draw, thing: TownThing) -> TownThing:
    """A motion that the thing can make in its place, or none."""
    match d.pick(("still", "still", "bounce", "spin", "jump")):
        case "bounce" if thing.kind in ("ball", "cube"):
            move = Move("bounce", amount=d.uniform(0.5, 0.9), phase=d.uniform(0, 1))
        case "spin" if thing.kind not in ("ball", "cylinder", "cone", "tree", "lamp"):
            move = Move("spin", amount=d.side() * d.uniform(1.7, 2.3))
        case "jump" if thing.kind in ("man", "woman", "dog", "cat", "robot"):
            start = d.beat(0.1, 0.4)
            move = Move("jump", start, start + jump_seconds(0.5), amount=0.5)
        case _:
            return thing
    return replace(thing, moves=(move,))


def count(d: Draw) -> TownScene:
    """Two to five things of one kind and colour."""
    number = d.asked.count or int(d.rng.integers(2, 6))
    first = d.thing(COUNTABLE, ("small",) if number > 2 else ("small", "medium"))
    first = replace(first, size="small" if number > 2 else first.size)
    wide = max(footprint(first) * 2.12, 0.8)
    rows = 1 if number <= 3 and wide < 1.3 else 2
    front = (number + 1) // 2 if rows == 2 else number
    spots = [((i - (front - 1) / 2) * wide, -0.5 if rows == 2 else 0.2) for i in range(front)]
    back = number - front
    spots += [((i - (back - 1) / 2) * wide, -0.4 + wide) for i in range(back)]
    moves: tuple[Move, ...] = ()
    match d.pick(("still", "still", "still", "bounce", "go")):
        case "bounce" if first.kind in ("ball", "cube"):
            moves = (Move("bounce", amount=d.uniform(0.5, 0.8)),)
        case "go" if first.kind not in ("tree", "cone"):
            moves = (d.go(0.45, (d.side(), 0.0)),)
    things = [
        replace(
            first,
            x=x + d.uniform(-0.04, 0.04),
            z=z + d.uniform(-0.04, 0.04),
            moves=tuple(replace(m, phase=d.uniform(0, 1)) for m in moves),
        )
        for x, z in spots
    ]
    stage = d.stage(things)
    angle = "above" if rows == 2 and d.chance(0.3) else "front"
    return TownScene((Shot(stage, d.view(stage.things, static=0.8, angle=angle)),))


def relation(d: Draw) -> TownScene:
    """Two things, one left of, right of, behind, in front of or on the other."""
    which = d.asked.relation or d.pick(STANDING_RELATIONS)
    if which == "on":
        under = d.thing(SUPPORTS, ("medium", "large"), asked=False)
        under = replace(under, pattern="plain", x=d.uniform(-0.3, 0.3))
        thing = d.thing(("ball", "cube", "cylinder", "cone", "cat", "dog"), ("small",), [under])
        thing = replace(thing, x=under.x, z=under.z, base=height(under))
        stage = d.stage([thing, under])
        return TownScene((Shot(stage, d.view(stage.things)),), kind="relation")
    first = d.thing(PARTNERS, ("small", "medium"))
    second = d.thing((*PARTNERS, "house"), ("small", "medium"), [first], asked=False)
    near = 0.55 * (footprint(first) + footprint(second)) + d.uniform(0.1, 0.4)
    shift = d.uniform(-0.3, 0.3)
    if which in ("left of", "right of"):
        side = -1.0 if which == "left of" else 1.0
        first = replace(first, x=shift + side * near, z=d.uniform(-0.2, 0.2))
        second = replace(second, x=shift - side * near, z=d.uniform(-0.2, 0.2))
        first = own_motion(d, first)
    else:
        depth = 1.0 if which == "behind" else -1.0
        offset = d.side() * d.uniform(0.3, 0.45) * (footprint(first) + footprint(second))
        first = replace(first, x=offset, z=depth * max(near, 0.9) + 0.4)
        second = replace(second, x=-offset, z=-depth * max(near, 0.9) + 0.4)
    stage = d.stage([first, second])
    return TownScene((Shot(stage, d.view(stage.things)),), kind="relation")


def stand_between(d: Draw) -> TownScene:
    """Three things in a row."""
    first = replace(d.thing(PARTNERS, ("small",)), size="small")
    second = d.thing(PARTNERS, ("small",), [first], asked=False)
    third = d.thing(PARTNERS, ("small",), [first, second], asked=False)
    left = -footprint(first) - footprint(second) - d.uniform(0.1, 0.2)
    right = footprint(first) + footprint(third) + d.uniform(0.1, 0.2)
    middle = own_motion(d, first)
    return single(d, [middle, replace(second, x=left), replace(third, x=right)])


def crowd(d: Draw) -> TownScene:
    """Three to five different things, each with a motion of its own."""
    number = d.asked.count or int(d.rng.integers(3, 6))
    things: list[TownThing] = []
    spots = [(-0.95, -0.3), (0.95, -0.3), (0.0, 0.9), (-1.75, 2.0), (1.75, 2.0)]
    order = [*d.rng.permutation(3).tolist(), 3, 4]
    for i in range(number):
        kinds = KINDS[:15] if i else (*PARTNERS, "robot")
        kinds = tuple(k for k in kinds if k not in ("bus", "wall", "boat", "roller"))
        thing = d.thing(kinds, ("small", "medium"), things, asked=i == 0)
        thing = replace(thing, size="small" if i < 3 else thing.size)
        x, z = spots[order[i]]
        thing = replace(thing, x=x + d.uniform(-0.08, 0.08), z=z + d.uniform(-0.08, 0.08))
        if thing.kind in ("house",):
            thing = replace(thing, yaw=pi / 2)
        if i == 0 and d.chance(0.4) and thing.kind not in TOPPLING:
            thing = replace(thing, moves=(d.go(0.5, (d.side(), 0.0)),), z=-1.0)
        else:
            thing = own_motion(d, thing)
        things.append(thing)
    stage = d.stage(things)
    framing = "wide" if d.chance(0.4) else "medium"
    return TownScene((Shot(stage, d.view(stage.things, static=0.75, framing=framing)),))
