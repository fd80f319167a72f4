"""The camera of a view at each time: a pure function of seconds. Axes: t frames."""

from math import pi

import numpy as np
from jaxtyping import Float
from numpy import cos, ndarray, sin

from ..motion import FOCAL, LOOK_HEIGHT, CameraPath, facing_axes, halting
from .motion import path
from .scene import FRAMINGS, Stage, View

AROUND = {"front": 0.0, "side": 0.85, "behind": pi, "above": 0.0, "low": 0.0}
TRAVEL = 3.0  # seconds until a moving camera rests


def view_path(
    view: View, stage: Stage, seconds: Float[ndarray, "t"], clock: Float[ndarray, "t"]
) -> CameraPath:
    """The camera `seconds` into its shot; `clock` is the stage's time, for "follow"."""
    moved = view.pace * halting(np.maximum(seconds, 0), TRAVEL)
    distance = np.full_like(seconds, FRAMINGS[view.framing])
    height = np.full_like(seconds, view.height)
    if view.angle == "above":
        height, distance = height + 2.9, 0.85 * distance
    elif view.angle == "low":
        height = np.full_like(seconds, 0.4)
    around = np.full_like(seconds, view.side * AROUND[view.angle])
    turn, tilt, focal, across = (np.zeros_like(seconds) for _ in range(4))
    match view.camera:
        case "handheld":
            turn = 0.014 * (sin(5.1 * seconds) + sin(8.3 * seconds + 1))
            tilt = 0.012 * (sin(6.3 * seconds + 2) + sin(9.7 * seconds))
        case "pan left":
            turn = 0.15 * (1 - moved)
        case "pan right":
            turn = -0.15 * (1 - moved)
        case "tilt up":
            tilt = -0.13 + 0.13 * moved
        case "tilt down":
            tilt = 0.13 - 0.13 * moved
        case "zoom in":
            focal = -0.2 + 0.24 * moved
        case "zoom out":
            focal = 0.25 - 0.24 * moved
        case "rise":
            height = height - 0.5 + 1.0 * moved
        case "sink":
            height = height + 1.1 - 0.9 * moved
        case "orbit":
            around = around + 0.4 * (1 - moved)
        case "orbit right":
            around = around - 0.4 * (1 - moved)
        case "push in":
            distance = distance * np.exp(0.2 - 0.2 * moved)
        case "pull back":
            distance = distance * np.exp(-0.22 + 0.2 * moved)
        case "truck left":
            across = 0.6 - 0.55 * moved
        case "truck right":
            across = -0.6 + 0.55 * moved
        case "follow":
            if stage.things:
                across = path(stage.things[0], clock)[0]
    away = np.stack([-distance * sin(around), height, -distance * cos(around)], axis=-1)
    centre = np.zeros_like(away)
    centre[:, 0], centre[:, 2] = across * cos(around), -across * sin(around)
    eye = centre + away
    pitch = np.arctan2(height - LOOK_HEIGHT, distance) - tilt
    heading = around + turn
    return CameraPath(eye, facing_axes(heading, pitch), FOCAL * np.exp(focal))
