"""Motions and relations as a viewer can measure them in a shot: from positions over time."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .bodies import thing_rows
from .cameras import camera_path
from .motion import centres, pose, yaw
from .scene import Shot, Thing
from .things import footprint, half_extents, height

RATE = 48.0  # samples a second
PACE = 0.12  # world units a second; slower is no motion


@dataclass(frozen=True, slots=True)
class Watched:
    """A thing during a shot, sampled RATE times a second."""

    thing: Thing
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


def watch(thing: Thing, shot: Shot, length: float) -> Watched:
    """The thing sampled RATE times a second, for the first `length` seconds of a shot."""
    times = np.linspace(0, length, max(int(length * RATE), 4))
    clock = times + shot.offset
    at = pose(thing, clock)
    rows = thing_rows(thing, clock, 0)
    return Watched(
        thing, length, times, at.origin, yaw(thing, clock), at.turn[:, :, 1], at.grow, rows
    )


def relation_holds(
    relation: str, shot: Shot, things: tuple[int, ...], local: Float[ndarray, "t"]
) -> bool:
    """Whether `relation` holds between `things` in the camera's view at all times `local`.

    Relations: "left of", "right of", "behind", "in front of", "on", "near", and "between" for
    three. Behind and in front take a clear difference of depth and no large one sideways.
    """
    if len(things) != (3 if relation == "between" else 2):
        return False
    clock = local + shot.offset
    camera = camera_path(shot.view, shot.stage, local, clock)
    chosen = [shot.stage.things[k] for k in things]
    places = np.stack([centres(thing, clock) for thing in chosen])
    right, _, ahead = np.einsum("tij,ktj->ikt", camera.axes, places - camera.eye)
    first, second = chosen[0], chosen[1]
    across, depth = right[0] - right[1], ahead[0] - ahead[1]
    apart = np.hypot(places[0, :, 0] - places[1, :, 0], places[0, :, 2] - places[1, :, 2])
    level = np.abs(places[0, :, 1] - half_extents(first)[1] - _top(second, places[1, :, 1]))
    resting = (level < 0.06) & (apart < footprint(second))
    match relation:
        case "left of":
            observed = (across < -0.35) & (np.abs(depth) < 1.3 * np.abs(across) + 0.2)
        case "right of":
            observed = (across > 0.35) & (np.abs(depth) < 1.3 * np.abs(across) + 0.2)
        case "behind":
            observed = (depth > 0.6) & (np.abs(across) < 1.3 * depth)
        case "in front of":
            observed = (depth < -0.6) & (np.abs(across) < -1.3 * depth)
        case "on":
            observed = resting
        case "near":
            observed = (apart < footprint(first) + footprint(second) + 0.6) & ~resting
        case _:
            low, high = np.minimum(right[1], right[2]), np.maximum(right[1], right[2])
            spread = np.abs(ahead - ahead[0]).max(axis=0)
            observed = (right[0] > low + 0.3) & (right[0] < high - 0.3) & (spread < 0.7)
    return bool(observed.all())


def _top(thing: Thing, centre: Float[ndarray, "t"]) -> Float[ndarray, "t"]:
    return centre + height(thing) / 2
