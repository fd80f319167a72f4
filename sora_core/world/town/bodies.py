"""Things as rows for the ray caster. Axes: t frames, k bodies, g groups, m strokes."""

from dataclasses import dataclass
from math import hypot, inf, pi

import numpy as np
from jaxtyping import Float
from numpy import cos, ndarray, sin

from .motion import BOUNCE_GRAVITY, Pose, about_x, about_y, about_z, move_progress, pose
from .palette import HUB, LIT, MATERIALS, MORTAR, TOWN_SECOND, linear_light, mixed
from .palette import TOWN_THINGS as COLOURS
from .raycast import GROUP, ROW, STROKE
from .scene import STROKES, Move, Stage, TownThing
from .things import BALL, BLOCK_HALF, BRICKS, STRIPED, BodyPart, can_roll, footprint, parts_of

RISE_SECONDS = 0.3  # how long a lamp takes to light up, and a thing to change its colour
STRIDE = 1.25  # of one whole step, left and right
ABOUT = {"x": about_x, "y": about_y, "z": about_z}


@dataclass(frozen=True, slots=True)
class Bodies:
    """All primitives of a stage and the things they belong to."""

    rows: Float[ndarray, "t k row"]
    groups: Float[ndarray, "t g group"]


def stage_bodies(stage: Stage, clock: Float[ndarray, "t"], first_segment: int) -> Bodies:
    """The rows and groups of every thing at each time of the stage's clock."""
    rows, groups, total = [], [], 0
    for thing in stage.things:
        own = thing_rows(thing, clock, first_segment + thing.identity)
        groups.append(_group(thing, own, total))
        rows.append(own)
        total += own.shape[1]
    if not rows:
        return Bodies(np.zeros((len(clock), 0, ROW)), np.zeros((len(clock), 0, GROUP)))
    return Bodies(np.ascontiguousarray(np.concatenate(rows, axis=1)), np.stack(groups, axis=1))


def rising(clock: Float[ndarray, "t"], at: float) -> Float[ndarray, "t"]:
    """0 until `at`, 1 after RISE_SECONDS more."""
    return np.clip((clock - at) / RISE_SECONDS, 0, 1) if at < inf else np.zeros_like(clock)


def lamp_level(thing: TownThing, clock: Float[ndarray, "t"]) -> Float[ndarray, "t"]:
    return rising(clock, thing.lit_at)


def thing_rows(
    thing: TownThing, clock: Float[ndarray, "t"], segment: int
) -> Float[ndarray, "t k row"]:
    """The primitives of one thing at each time."""
    at = pose(thing, clock)
    parts = parts_of(thing.kind)
    rows = np.zeros((len(clock), len(parts), ROW))
    lit = lamp_level(thing, clock)
    main = mixed(thing.colour, thing.repaint, rising(clock, thing.repaint_at))
    scale = thing.scale * at.grow
    for k, part in enumerate(parts):
        centre, turn = _placed(part, at, thing, clock)
        rows[:, k, 0] = part.shape
        rows[:, k, 1:4] = scale[:, None] * np.array(part.half)
        rows[:, k, 4:7] = at.origin + scale[:, None] * np.einsum("tij,tj->ti", at.turn, centre)
        if part.block >= 0:
            _scatter(part, thing, clock, rows[:, k], turn)
        rows[:, k, 7:16] = (at.turn @ turn).reshape(-1, 9)
        if can_roll(thing):
            rows[:, k, 7:16] = _rolled(thing, at).reshape(-1, 9)
        if part.role == "main":
            rows[:, k, 16:19] = main
        else:
            rows[:, k, 16:19] = _material(part.role, thing)
        rows[:, k, 19:22] = _second(part, thing)
        rows[:, k, 22] = part.pattern
        if part.pattern == 0 and thing.pattern == "striped" and part.role == "main":
            rows[:, k, 22] = STRIPED
        if part.role == "bulb":
            bulb = linear_light(MATERIALS["bulb"])
            rows[:, k, 16:19] = bulb + (linear_light(LIT) - bulb) * lit[:, None]
            rows[:, k, 24] = lit
        rows[:, k, 23] = segment
    return rows


def _placed(
    part: BodyPart, at: Pose, thing: TownThing, clock: Float[ndarray, "t"]
) -> tuple[Float[ndarray, "t 3"], Float[ndarray, "t 3 3"]]:
    """Where a part is in the thing's axes, and how it is turned there."""
    count = len(clock)
    centre = np.repeat(np.array(part.centre, float)[None], count, axis=0)
    turn = ABOUT[part.tilt[0]](np.full(count, part.tilt[1]))
    scale = thing.scale
    if part.rolls:
        turn = about_z(-at.travel / (scale * part.half[0])) @ turn
    if part.swing:
        stride = STRIDE * scale * (0.75 if thing.kind in ("dog", "cat") else 1.0)
        angle = part.swing * at.moving * sin(2 * pi * (at.travel / stride + part.step))
        turn = about_z(angle) @ turn
        down = part.pivot - part.centre[1]
        centre[:, 0] += down * sin(angle)
        centre[:, 1] = part.pivot - down * cos(angle)
    return centre, turn


def _rolled(thing: TownThing, at: Pose) -> Float[ndarray, "t 3 3"]:
    """Balls roll over the ground they cross, tilted to show where stripes meet."""
    radius = 0.7 * thing.scale
    base = about_x(np.full_like(at.travel, -1.0)) @ at.turn
    return about_z(-at.across / radius) @ about_x(at.along / radius) @ base


def _scatter(
    part: BodyPart, thing: TownThing, clock: Float[ndarray, "t"], rows: ndarray, turn: ndarray
) -> None:
    """Throws a tower's block to the side: the higher it was, the farther it lands."""
    for move in thing.moves:
        if move.verb == "scatter" and part.block > 0:
            side = 1.0 if move.dx >= 0 else -1.0
            size = BLOCK_HALF * thing.scale
            drop = 2 * part.block * size
            since = np.maximum(clock - move.start - 0.04 * part.block, 0)
            down = np.minimum(0.5 * BOUNCE_GRAVITY * since**2, drop)
            landing = (2 * drop / BOUNCE_GRAVITY) ** 0.5
            flown = np.clip(since / landing, 0, 1)
            slid = 1 - (1 - np.clip(since / (landing + 0.35), 0, 1)) ** 2
            rows[:, 5] -= down
            rows[:, 4] += side * size * (0.6 + 2.35 * part.block) * slid
            rows[:, 6] += size * 0.5 * (-1) ** part.block * slid
            turn[:] = about_z(-side * pi / 2 * part.block * flown) @ turn


def _material(role: str, thing: TownThing) -> Float[ndarray, "3"]:
    if role == "second":
        return linear_light(
            TOWN_SECOND[thing.colour] if thing.kind == "tower" else _darker(thing.colour)
        )
    return linear_light(MATERIALS[role])


def _darker(colour: str) -> tuple[int, int, int]:
    red, green, blue = COLOURS[colour]
    if colour == "black":
        return 70, 70, 76
    return int(0.55 * red), int(0.55 * green), int(0.55 * blue)


def _second(part: BodyPart, thing: TownThing) -> Float[ndarray, "3"]:
    if part.pattern == BRICKS:
        return linear_light(MORTAR)
    return linear_light(HUB if part.role == "tyre" else TOWN_SECOND[thing.colour])


def _group(
    thing: TownThing, rows: Float[ndarray, "t k row"], first: int
) -> Float[ndarray, "t group"]:
    """A sphere around a thing's primitives, and its contact with the floor."""
    group = np.zeros((len(rows), GROUP))
    group[:, 0], group[:, 1] = first, rows.shape[1]
    centres, half = rows[:, :, 4:7], rows[:, :, 1:4]
    middle = (centres.min(axis=1) + centres.max(axis=1)) / 2
    reach = np.linalg.norm(half, axis=-1)
    if rows.shape[1] == 1 and rows[0, 0, 0] == BALL:
        reach = half[:, :, 0]
    group[:, 2:5] = middle
    away = np.linalg.norm(centres - middle[:, None], axis=-1)
    group[:, 5] = (away + reach).max(axis=1) * 1.001
    lowest = (centres[:, :, 1] - half.min(axis=-1)).min(axis=1)
    group[:, 6] = np.maximum(lowest, 0)
    group[:, 7] = max(0.8 * footprint(thing), 0.25)
    return group


def stroke_rows(
    stage: Stage, clock: Float[ndarray, "t"]
) -> tuple[Float[ndarray, "t m stroke"], Float[ndarray, "t"]]:
    """The strokes on the floor at each time, and the area they cover in square world units."""
    rows, area = [], np.zeros_like(clock)
    for stroke in stage.strokes:
        thing = stage.things[stroke.thing]
        for move, (x, z) in _legs(thing):
            until = np.minimum(clock, stroke.stop)
            done = move_progress(move, until)
            begun = float(move_progress(move, np.array([stroke.start]))[0])
            row = np.zeros((len(clock), STROKE))
            row[:, 0], row[:, 1] = x + move.dx * begun, z + move.dz * begun
            done = np.maximum(done, begun)
            row[:, 2], row[:, 3] = x + move.dx * done, z + move.dz * done
            row[:, 4] = stroke.width * thing.scale / 2
            row[:, 5:8] = linear_light(COLOURS[stroke.colour])
            row[:, 8] = STROKES.index(stroke.style)
            row[:, 9] = hypot(move.dx, move.dz) * (done - begun)
            area += row[:, 9] * 2 * row[:, 4]
            rows.append(row)
    if not rows:
        return np.zeros((len(clock), 0, STROKE)), area
    return np.stack(rows, axis=1), area


def _legs(thing: TownThing) -> list[tuple[Move, tuple[float, float]]]:
    """Its travels in order, each with where it begins."""
    found, x, z = [], thing.x, thing.z
    for move in sorted(thing.moves, key=lambda move: move.start):
        if move.verb == "go":
            found.append((move, (x, z)))
            x, z = x + move.dx, z + move.dz
    return found
