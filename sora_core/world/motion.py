"""Positions of objects and camera at times in seconds. Axes: k objects, t frames."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import cos, ndarray, pi, sin

from .scene import Scene, Thing

FALL_GRAVITY, BOUNCE_GRAVITY = 3.0, 5.0  # units/s^2: below one latent cell per frame
FALL_TOP = 2.25
TOWARD_LIMIT = -1.4
DISTANCE, LOOK_HEIGHT, FOCAL = 5.5, 0.75, 2.75


@dataclass(frozen=True, slots=True)
class CameraPath:
    """The camera at each frame: rows of `axes` are right, up, forward; `focal` is in half sides."""

    eye: Float[ndarray, "t 3"]
    axes: Float[ndarray, "t 3 3"]
    focal: Float[ndarray, "t"]


def thing_positions(thing: Thing, seconds: Float[ndarray, "t"]) -> Float[ndarray, "t 3"]:
    """The centre of `thing` at each time, in world units."""
    clock = np.clip(seconds - thing.start, 0, thing.stop - thing.start)
    x, z = np.full_like(clock, thing.x), np.full_like(clock, thing.z)
    y = np.full_like(clock, thing.half[1])
    match thing.motion:
        case "left":
            x = x - thing.pace * clock
        case "right":
            x = x + thing.pace * clock
        case "toward":
            z = z - thing.pace * halting(clock, (thing.z - TOWARD_LIMIT) / thing.pace)
        case "away":
            z = z + thing.pace * clock
        case "bounce":
            y = y + _bounce_height(clock, thing.pace, thing.phase)
        case "fall":
            y = y + _drop(clock, FALL_TOP - thing.half[1])
    return np.stack([x, y, z], axis=-1)


def rotations(thing: Thing, seconds: Float[ndarray, "t"]) -> Float[ndarray, "t 3 3"]:
    """Rotations of `thing` at each time, from its own axes to world axes. Only balls roll."""
    path = thing_positions(thing, seconds)
    base = _about_y(np.full_like(seconds, thing.yaw))
    if thing.motion == "spin":
        return _about_y(thing.yaw + thing.pace * seconds)
    if thing.shape != "ball":
        return base
    tilted = _about_x(np.full_like(seconds, -1.0)) @ base  # turns the stripes' pole to the camera
    roll_x = (path[:, 2] - thing.z) / thing.radius
    roll_z = -(path[:, 0] - thing.x) / thing.radius
    return _about_z(roll_z) @ _about_x(roll_x) @ tilted


def camera_path(scene: Scene, seconds: Float[ndarray, "t"]) -> CameraPath:
    """The camera at each time; it stops after about three seconds, with the scene in view."""
    moved = scene.camera_pace * halting(seconds, 3.0)
    height = np.full_like(seconds, scene.camera_height)
    around, turn, focal = (np.zeros_like(seconds) for _ in range(3))
    match scene.camera:
        case "pan left":
            turn = 0.15 * (1 - moved)
        case "pan right":
            turn = -0.15 * (1 - moved)
        case "zoom in":
            focal = -0.2 + 0.24 * moved
        case "zoom out":
            focal = 0.25 - 0.24 * moved
        case "rise":
            height = height - 0.5 + 1.0 * moved
        case "orbit":
            around = 0.4 * (1 - moved)
    eye = np.stack([-DISTANCE * sin(around), height, -DISTANCE * cos(around)], axis=-1)
    pitch = np.arctan2(height - LOOK_HEIGHT, DISTANCE)
    yaw = around + turn
    return CameraPath(eye, facing_axes(yaw, pitch), FOCAL * np.exp(focal))


def facing_axes(
    heading: Float[ndarray, "t"], pitch: Float[ndarray, "t"]
) -> Float[ndarray, "t 3 3"]:
    """Right, up and forward of a camera that faces `heading` and looks down by `pitch`."""
    zero = np.zeros_like(heading)
    right = np.stack([cos(heading), zero, -sin(heading)], axis=-1)
    forward = np.stack([sin(heading) * cos(pitch), -sin(pitch), cos(heading) * cos(pitch)], axis=-1)
    up = np.stack([sin(heading) * sin(pitch), cos(pitch), cos(heading) * sin(pitch)], axis=-1)
    return np.stack([right, up, forward], axis=1)


def halting(clock: Float[ndarray, "t"], travel: float, brake: float = 0.8) -> Float[ndarray, "t"]:
    """`clock` that slows down around `travel`, within `brake` of it, and stops there."""
    late = np.clip(clock - (travel - brake), 0, 2 * brake)
    return np.minimum(clock, travel - brake) + late - late**2 / (4 * brake)


def _bounce_height(clock: Float[ndarray, "t"], height: float, phase: float) -> Float[ndarray, "t"]:
    period = 2 * np.sqrt(2 * height / BOUNCE_GRAVITY)
    since = np.mod(clock / period + phase, 1.0) * period
    return BOUNCE_GRAVITY / 2 * since * (period - since)


def _drop(clock: Float[ndarray, "t"], height: float) -> Float[ndarray, "t"]:
    landing = np.sqrt(2 * height / FALL_GRAVITY)
    above = height - FALL_GRAVITY / 2 * np.minimum(clock, landing) ** 2
    hop = 0.5 * landing  # one bounce with a quarter of the speed
    since = np.clip(clock - landing, 0, hop)
    return np.maximum(above, 0) + FALL_GRAVITY / 2 * since * (hop - since)


def _about_x(angle: Float[ndarray, "t"]) -> Float[ndarray, "t 3 3"]:
    return _turn(angle, 1, 2)


def _about_y(angle: Float[ndarray, "t"]) -> Float[ndarray, "t 3 3"]:
    return _turn(angle, 2, 0)


def _about_z(angle: Float[ndarray, "t"]) -> Float[ndarray, "t 3 3"]:
    return _turn(angle, 0, 1)


def _turn(angle: Float[ndarray, "t"], first: int, second: int) -> Float[ndarray, "t 3 3"]:
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:] = np.eye(3)
    matrix[:, first, first] = matrix[:, second, second] = cos(angle % (2 * pi))
    matrix[:, second, first] = sin(angle % (2 * pi))
    matrix[:, first, second] = -matrix[:, second, first]
    return matrix
