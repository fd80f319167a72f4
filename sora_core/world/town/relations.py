"""Relations between things as a viewer can measure them in a shot: from positions over time.

Axes: t times, k things, i and j axes of space.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .cameras import view_path
from .motion import centres
from .scene import Shot, TownThing
from .things import footprint, half_extents, height


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
    camera = view_path(shot.view, shot.stage, local, clock)
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


def _top(thing: TownThing, centre: Float[ndarray, "t"]) -> Float[ndarray, "t"]:
    return centre + height(thing) / 2
