"""Where a thing is at a time in seconds: its moves added up. Axes: t frames."""

from dataclasses import dataclass
from itertools import pairwise
from math import atan2, hypot, pi, sqrt

import numpy as np
from jaxtyping import Float
from numpy import cos, ndarray, sin

from ..motion import BOUNCE_GRAVITY, FALL_GRAVITY
from .scene import Move, TownThing
from .things import FACING, half_extents

JUMP_GRAVITY = 6.0
TOPPLE_SECONDS = 0.6
TURN_SECONDS = 0.3

Times = Float[ndarray, "t"]


@dataclass(frozen=True, slots=True)
class Pose:
    """A thing at each time: the middle of its base, its turn, how much it grew, and its gait.

    `travel` is the length of its path over the floor and `moving` in [0, 1] its pace.
    """

    origin: Float[ndarray, "t 3"]
    turn: Float[ndarray, "t 3 3"]
    grow: Times
    travel: Times
    moving: Times
    across: Times
    along: Times


def pose(thing: TownThing, seconds: Times) -> Pose:
    """Where `thing` is and how it is turned at each time."""
    x, z = path(thing, seconds)
    y = np.full_like(seconds, thing.base) + sum(
        (_lift(move, seconds) for move in thing.moves), np.zeros_like(seconds)
    )
    grow = np.ones_like(seconds)
    turn = about_y(yaw(thing, seconds))
    origin = np.stack([x, y, z], axis=-1)
    for move in thing.moves:
        if move.verb == "grow":
            grow = grow * (1 + (move.amount - 1) * move_progress(move, seconds))
        elif move.verb == "sway":
            angle = 0.11 * sin(2 * pi * seconds / move.period + 2 * pi * move.phase)
            turn = about_z(angle) @ turn
        elif move.verb == "topple":
            origin, turn = _toppled(thing, move, seconds, origin, turn)
    travel = _travel(thing, seconds)
    pace = (_travel(thing, seconds + 0.1) - _travel(thing, seconds - 0.1)) / 0.2
    return Pose(
        origin,
        turn,
        grow,
        travel,
        np.clip(pace / 0.4, 0, 1),
        x - thing.x,
        z - thing.z,
    )


def centres(thing: TownThing, seconds: Times) -> Float[ndarray, "t 3"]:
    """The middle of the thing's height at each time, in world units."""
    at = pose(thing, seconds)
    up = half_extents(thing)[1] * at.grow[:, None] * at.turn[:, :, 1]
    return at.origin + up


def move_progress(move: Move, seconds: Times) -> Times:
    """0 before a move starts, 1 when it has stopped."""
    done = np.clip((seconds - move.start) / (move.stop - move.start), 0, 1)
    return done * (2 - done) if move.brake else done


def path(thing: TownThing, seconds: Times) -> tuple[Times, Times]:
    """x and z of the thing's base at each time."""
    x, z = np.full_like(seconds, thing.x), np.full_like(seconds, thing.z)
    for move in thing.moves:
        if move.verb == "go":
            done = move_progress(move, seconds)
            x, z = x + move.dx * done, z + move.dz * done
        elif move.verb == "circle":
            angle = _circling(move, seconds)
            x = x + move.dx * (1 - cos(angle)) - move.dz * sin(angle)
            z = z + move.dz * (1 - cos(angle)) + move.dx * sin(angle)
    return x, z


def yaw(thing: TownThing, seconds: Times) -> Times:
    """The turn about the vertical; a thing with a front faces its direction of travel."""
    angle = np.full_like(seconds, thing.yaw)
    if thing.kind in FACING:
        legs = sorted((m for m in thing.moves if m.verb == "go"), key=lambda move: move.start)
        if legs:
            angle = np.full_like(seconds, atan2(-legs[0].dz, legs[0].dx))
        for before, after in pairwise(legs):
            change = atan2(-after.dz, after.dx) - atan2(-before.dz, before.dx)
            change = (change + pi) % (2 * pi) - pi
            late = np.clip((seconds - after.start) / TURN_SECONDS + 0.5, 0, 1)
            angle = angle + change * late * late * (3 - 2 * late)
    for move in thing.moves:
        if move.verb == "spin":
            angle = angle + move.amount * (np.clip(seconds, move.start, move.stop) - move.start)
        elif move.verb == "turn":
            angle = angle + move.amount * move_progress(move, seconds)
        elif move.verb == "circle" and thing.kind in FACING:
            side = 1.0 if move.period > 0 else -1.0
            first = atan2(-side * move.dx, -side * move.dz)  # faces along the circle
            angle = first + _circling(move, seconds)
    return angle


def fall_seconds(height: float, gravity: float = FALL_GRAVITY) -> float:
    """How long a fall from `height` takes."""
    return sqrt(2 * height / gravity)


def bounce_seconds(height: float) -> float:
    """How long one bounce of `height` takes, from the floor to the floor."""
    return 2 * sqrt(2 * height / BOUNCE_GRAVITY)


def jump_seconds(height: float) -> float:
    return 2 * sqrt(2 * height / JUMP_GRAVITY)


def _circling(move: Move, seconds: Times) -> Times:
    return 2 * pi / move.period * (np.clip(seconds, move.start, move.stop) - move.start)


def _lift(move: Move, seconds: Times) -> Times:
    clock = np.clip(seconds - move.start, 0, move.stop - move.start)
    match move.verb:
        case "fall":
            return _falling(clock, move.amount)
        case "drop":
            return _falling(clock, move.amount) - move.amount
        case "bounce":
            period = bounce_seconds(move.amount)
            since = np.mod(clock / period + move.phase, 1.0) * period
            return BOUNCE_GRAVITY / 2 * since * (period - since)
        case "jump":
            period = jump_seconds(move.amount)
            since = np.clip(clock, 0, period)
            return JUMP_GRAVITY / 2 * since * (period - since)
    return np.zeros_like(seconds)


def _falling(clock: Times, height: float) -> Times:
    """Down from `height`, then one bounce with a quarter of the speed."""
    landing = fall_seconds(height)
    above = height - FALL_GRAVITY / 2 * np.minimum(clock, landing) ** 2
    hop = 0.5 * landing
    since = np.clip(clock - landing, 0, hop)
    return np.maximum(above, 0) + FALL_GRAVITY / 2 * since * (hop - since)


def _toppled(
    thing: TownThing,
    move: Move,
    seconds: Times,
    origin: Float[ndarray, "t 3"],
    turn: Float[ndarray, "t 3 3"],
) -> tuple[Float[ndarray, "t 3"], Float[ndarray, "t 3 3"]]:
    """Turned by up to a quarter about the edge of its base on the side it falls to."""
    done = np.clip((seconds - move.start) / TOPPLE_SECONDS, 0, 1)
    angle = pi / 2 * done**2
    length = hypot(move.dx, move.dz) or 1.0
    ahead = np.array([move.dx / length, 0.0, move.dz / length])
    edge = max(min(half_extents(thing)[0], half_extents(thing)[2]), 0.15 * thing.scale)
    up = np.array([0.0, 1.0, 0.0])
    moved = edge * ((1 - cos(angle))[:, None] * ahead + sin(angle)[:, None] * up)
    return origin + moved, about_z(-angle * np.sign(ahead[0] or 1.0)) @ turn


def _travel(thing: TownThing, seconds: Times) -> Times:
    travel = np.zeros_like(seconds)
    for move in thing.moves:
        if move.verb == "go":
            travel = travel + hypot(move.dx, move.dz) * move_progress(move, seconds)
        elif move.verb == "circle":
            travel = travel + hypot(move.dx, move.dz) * abs(_circling(move, seconds))
    return travel


def about_x(angle: Times) -> Float[ndarray, "t 3 3"]:
    return _about(angle, 1, 2)


def about_y(angle: Times) -> Float[ndarray, "t 3 3"]:
    return _about(angle, 2, 0)


def about_z(angle: Times) -> Float[ndarray, "t 3 3"]:
    return _about(angle, 0, 1)


def _about(angle: Times, first: int, second: int) -> Float[ndarray, "t 3 3"]:
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:] = np.eye(3)
    matrix[:, first, first] = matrix[:, second, second] = cos(angle)
    matrix[:, second, first] = sin(angle)
    matrix[:, first, second] = -matrix[:, second, first]
    return matrix
