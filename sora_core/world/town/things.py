"""The primitives that things are built of, in their own axes: x forward, y up, z to the right.

The origin is the middle of the base, and lengths are world units at size "medium".
"""

from dataclasses import dataclass
from functools import cache

from .scene import TownThing

BALL, BOX, CYLINDER, CONE = range(4)
PLAIN, STRIPED, BRICKS = range(3)
QUARTER = 1.5707963267948966
FACING = ("car", "bus", "man", "woman", "dog", "cat", "robot", "boat", "roller")
WALKERS = ("man", "woman", "dog", "cat", "robot")
DRIVERS = ("car", "bus", "boat", "roller")
TOPPLING = ("cylinder", "lamp", "robot", "snowman")
BLOCK_HALF, BLOCKS = 0.3, 4  # half a side of a tower's blocks, and how many there are


@dataclass(frozen=True, slots=True)
class BodyPart:
    """One primitive: half extents, centre, colour role, and how it moves with the thing.

    `role` is "main", "second" or a fixed material. `tilt` turns it about an axis ("x", "y" or "z")
    by an angle. A part with `swing` turns about its z axis at `pivot` by that amplitude, `step`
    turns late, as the thing walks; one with `rolls` turns with the ground.
    """

    shape: int
    half: tuple[float, float, float]
    centre: tuple[float, float, float]
    role: str = "main"
    tilt: tuple[str, float] = ("x", 0.0)
    pattern: int = PLAIN
    swing: float = 0.0
    step: float = 0.0
    pivot: float = 0.0
    rolls: bool = False
    block: int = -1


def _box(
    x: float, y: float, z: float, at: tuple[float, float, float], role: str = "main"
) -> BodyPart:
    return BodyPart(BOX, (x, y, z), at, role)


def _ball(radius: float, at: tuple[float, float, float], role: str = "main") -> BodyPart:
    return BodyPart(BALL, (radius, radius, radius), at, role)


def _post(
    radius: float, half: float, at: tuple[float, float, float], role: str = "main"
) -> BodyPart:
    return BodyPart(CYLINDER, (radius, half, radius), at, role)


def _cone(
    radius: float, half: float, at: tuple[float, float, float], role: str = "main"
) -> BodyPart:
    return BodyPart(CONE, (radius, half, radius), at, role)


def _wheels(radius: float, xs: tuple[float, ...], z: float) -> list[BodyPart]:
    return [
        BodyPart(
            CYLINDER,
            (radius, 0.1, radius),
            (x, radius, side * z),
            "tyre",
            ("x", QUARTER),
            STRIPED,
            rolls=True,
        )
        for x in xs
        for side in (-1, 1)
    ]


def _leg(
    radius: float, half: float, x: float, z: float, role: str, step: float, box: bool = False
) -> BodyPart:
    shape = BOX if box else CYLINDER
    return BodyPart(
        shape, (radius, half, radius), (x, half, z), role, swing=0.55, step=step, pivot=2 * half
    )


def _arm(radius: float, half: float, z: float, top: float, role: str, step: float) -> BodyPart:
    return BodyPart(
        BOX,
        (radius, half, radius),
        (0.0, top - half, z),
        role,
        swing=0.45,
        step=step,
        pivot=top - 0.04,
    )


def _primitive(kind: str) -> list[BodyPart]:
    match kind:
        case "ball":
            return [BodyPart(BALL, (0.7, 0.7, 0.7), (0, 0.7, 0))]
        case "cube":
            return [BodyPart(BOX, (0.56, 0.56, 0.56), (0, 0.56, 0))]
        case "cylinder":
            return [BodyPart(CYLINDER, (0.546, 0.644, 0.546), (0, 0.644, 0))]
        case _:
            return [BodyPart(CONE, (0.665, 0.7, 0.665), (0, 0.7, 0))]


def _vehicle(kind: str) -> list[BodyPart]:
    match kind:
        case "car":
            return [
                _box(1.05, 0.24, 0.5, (0, 0.5, 0)),
                _box(0.56, 0.2, 0.42, (-0.12, 0.92, 0), "glass"),
                _box(0.5, 0.06, 0.44, (-0.12, 1.16, 0)),
                _box(0.05, 0.09, 0.42, (1.04, 0.5, 0), "light"),
                *_wheels(0.29, (-0.62, 0.62), 0.46),
            ]
        case "bus":
            return [
                _box(1.25, 0.52, 0.5, (0, 0.78, 0)),
                _box(1.12, 0.17, 0.52, (0.06, 0.98, 0), "glass"),
                _box(1.27, 0.05, 0.51, (0, 0.6, 0), "white"),
                *_wheels(0.27, (-0.78, 0.78), 0.46),
            ]
        case "boat":
            return [
                _box(0.75, 0.19, 0.38, (-0.1, 0.19, 0)),
                BodyPart(BOX, (0.27, 0.19, 0.27), (0.65, 0.19, 0), "main", ("y", QUARTER / 2)),
                _box(0.3, 0.2, 0.27, (-0.35, 0.55, 0), "white"),
                _post(0.05, 0.75, (0.15, 1.0, 0), "wood"),
                _box(0.36, 0.42, 0.03, (0.15, 1.25, 0), "white"),
            ]
        case _:
            return [
                BodyPart(
                    CYLINDER,
                    (0.27, 0.36, 0.27),
                    (0, 0.27, 0),
                    "main",
                    ("x", QUARTER),
                    STRIPED,
                    rolls=True,
                ),
                _box(0.04, 0.04, 0.42, (-0.1, 0.58, 0), "metal"),
                _box(0.04, 0.2, 0.04, (-0.03, 0.4, 0.42), "metal"),
                BodyPart(CYLINDER, (0.06, 0.5, 0.06), (-0.38, 0.98, 0), "wood", ("z", 0.6)),
            ]


def _figure(kind: str) -> list[BodyPart]:
    match kind:
        case "man":
            return [
                _leg(0.12, 0.4, 0, 0.14, "trousers", 0.0, box=True),
                _leg(0.12, 0.4, 0, -0.14, "trousers", 0.5, box=True),
                _box(0.18, 0.34, 0.28, (0, 1.12, 0)),
                _arm(0.09, 0.33, 0.38, 1.44, "main", 0.5),
                _arm(0.09, 0.33, -0.38, 1.44, "main", 0.0),
                _ball(0.25, (0.02, 1.7, 0), "skin"),
                _post(0.25, 0.08, (-0.02, 1.9, 0), "hair"),
            ]
        case "woman":
            return [
                _leg(0.09, 0.3, 0, 0.12, "skin", 0.0),
                _leg(0.09, 0.3, 0, -0.12, "skin", 0.5),
                _cone(0.52, 0.55, (0, 0.92, 0)),
                _box(0.15, 0.22, 0.22, (0, 1.22, 0)),
                _arm(0.07, 0.28, 0.31, 1.42, "skin", 0.5),
                _arm(0.07, 0.28, -0.31, 1.42, "skin", 0.0),
                _ball(0.24, (0.03, 1.66, 0), "skin"),
                _ball(0.27, (-0.09, 1.72, 0), "hair"),
                _box(0.07, 0.26, 0.2, (-0.24, 1.46, 0), "hair"),
            ]
        case "robot":
            return [
                _leg(0.13, 0.27, 0, 0.18, "metal", 0.0, box=True),
                _leg(0.13, 0.27, 0, -0.18, "metal", 0.5, box=True),
                _box(0.26, 0.4, 0.38, (0, 0.92, 0)),
                _arm(0.09, 0.32, 0.5, 1.25, "metal", 0.5),
                _arm(0.09, 0.32, -0.5, 1.25, "metal", 0.0),
                _box(0.22, 0.2, 0.26, (0, 1.56, 0), "metal"),
                _ball(0.08, (0.22, 1.6, 0.12), "light"),
                _ball(0.08, (0.22, 1.6, -0.12), "light"),
                _ball(0.09, (0, 1.88, 0)),
            ]
        case _:
            return [
                _ball(0.56, (0, 0.5, 0)),
                _ball(0.41, (0, 1.22, 0)),
                _ball(0.3, (0, 1.8, 0)),
                _post(0.37, 0.04, (0, 2.04, 0), "dark"),
                _post(0.24, 0.17, (0, 2.22, 0), "dark"),
                BodyPart(CONE, (0.08, 0.16, 0.08), (0.4, 1.8, 0), "carrot", ("z", -QUARTER)),
                _ball(0.06, (0.25, 1.92, 0.13), "dark"),
                _ball(0.06, (0.25, 1.92, -0.13), "dark"),
            ]


def _animal(kind: str) -> list[BodyPart]:
    if kind == "dog":
        return [
            _box(0.52, 0.21, 0.22, (0, 0.6, 0)),
            _box(0.22, 0.21, 0.2, (0.62, 0.94, 0)),
            _box(0.15, 0.1, 0.12, (0.94, 0.87, 0)),
            _ball(0.07, (1.09, 0.93, 0), "dark"),
            _box(0.1, 0.19, 0.05, (0.52, 0.98, 0.23), "second"),
            _box(0.1, 0.19, 0.05, (0.52, 0.98, -0.23), "second"),
            _leg(0.1, 0.22, 0.38, 0.14, "main", 0.0),
            _leg(0.1, 0.22, 0.38, -0.14, "main", 0.5),
            _leg(0.1, 0.22, -0.38, 0.14, "main", 0.5),
            _leg(0.1, 0.22, -0.38, -0.14, "main", 0.0),
            BodyPart(BOX, (0.06, 0.25, 0.06), (-0.6, 0.92, 0), "main", ("z", 0.5)),
        ]
    return [
        _box(0.42, 0.18, 0.17, (0, 0.45, 0)),
        _ball(0.28, (0.5, 0.74, 0)),
        _cone(0.12, 0.13, (0.48, 1.03, 0.15)),
        _cone(0.12, 0.13, (0.48, 1.03, -0.15)),
        _ball(0.06, (0.77, 0.72, 0), "nose"),
        _leg(0.075, 0.16, 0.3, 0.1, "main", 0.0),
        _leg(0.075, 0.16, 0.3, -0.1, "main", 0.5),
        _leg(0.075, 0.16, -0.3, 0.1, "main", 0.5),
        _leg(0.075, 0.16, -0.3, -0.1, "main", 0.0),
        BodyPart(CYLINDER, (0.06, 0.36, 0.06), (-0.5, 0.82, 0), "main", ("z", 0.25)),
    ]


def _building(kind: str) -> list[BodyPart]:
    match kind:
        case "tree":
            return [
                _post(0.17, 0.55, (0, 0.55, 0), "wood"),
                _ball(0.66, (0, 1.5, 0)),
                _ball(0.46, (0.3, 1.2, 0.42)),
                _ball(0.46, (-0.2, 1.25, -0.45)),
                _ball(0.46, (0, 2.02, 0)),
            ]
        case "house":
            return [
                _box(0.8, 0.6, 0.95, (0, 0.6, 0)),
                BodyPart(BOX, (0.795, 0.75, 0.75), (0, 1.2, 0), "roof", ("x", QUARTER / 2)),
                _box(0.03, 0.36, 0.2, (0.8, 0.36, 0), "wood"),
                _box(0.03, 0.18, 0.18, (0.8, 0.74, 0.56), "glass"),
                _box(0.03, 0.18, 0.18, (0.8, 0.74, -0.56), "glass"),
                _box(0.14, 0.3, 0.14, (-0.2, 2.05, 0.5), "roof"),
            ]
        case "tower":
            roles = ("main", "second", "main", "second")
            return [
                BodyPart(
                    BOX,
                    (BLOCK_HALF, BLOCK_HALF, BLOCK_HALF),
                    (0, (2 * k + 1) * BLOCK_HALF, 0),
                    roles[k],
                    ("y", 0.12 * (-1) ** k),
                    block=k,
                )
                for k in range(BLOCKS)
            ]
        case "lamp":
            return [
                _post(0.27, 0.07, (0, 0.07, 0)),
                _post(0.09, 0.75, (0, 0.85, 0)),
                _ball(0.32, (0, 1.84, 0), "bulb"),
                _cone(0.4, 0.16, (0, 2.16, 0)),
            ]
        case "wall":
            return [BodyPart(BOX, (0.14, 0.85, 0.72), (0, 0.85, 0), "main", pattern=BRICKS)]
        case _:
            legs = [_post(0.08, 0.38, (x, 0.38, z)) for x in (-0.42, 0.42) for z in (-0.62, 0.62)]
            return [_box(0.55, 0.07, 0.8, (0, 0.83, 0)), *legs]


@cache
def parts_of(kind: str) -> tuple[BodyPart, ...]:
    """The primitives of a kind of thing."""
    match kind:
        case "ball" | "cube" | "cylinder" | "cone":
            return tuple(_primitive(kind))
        case "car" | "bus" | "boat" | "roller":
            return tuple(_vehicle(kind))
        case "man" | "woman" | "robot" | "snowman":
            return tuple(_figure(kind))
        case "dog" | "cat":
            return tuple(_animal(kind))
        case _:
            return tuple(_building(kind))


@cache
def _half(kind: str) -> tuple[float, float, float]:
    parts = parts_of(kind)
    reach = [0.0, 0.0, 0.0]
    for part in parts:
        half = part.half
        if part.block >= 0:
            half = (1.12 * half[0], half[1], 1.12 * half[2])  # the blocks are turned a little
        if part.tilt == ("x", QUARTER):
            half = (half[0], half[2], half[1])
        if kind == "house" and part.role == "roof":
            half = (half[0], 1.06 if half[1] > 0.5 else half[1], 1.06 if half[1] > 0.5 else half[2])
        for axis in range(3):
            reach[axis] = max(reach[axis], abs(part.centre[axis]) + half[axis])
    return reach[0], reach[1] / 2, reach[2]


def half_extents(thing: TownThing) -> tuple[float, float, float]:
    """Half the thing's length (forward), height and width, in world units."""
    x, y, z = _half(thing.kind)
    return x * thing.scale, y * thing.scale, z * thing.scale


def height(thing: TownThing) -> float:
    return 2 * half_extents(thing)[1]


def footprint(thing: TownThing) -> float:
    """The radius of the circle on the floor that the thing fits in."""
    x, _, z = half_extents(thing)
    if thing.kind in ("ball", "cylinder", "cone"):
        return x
    return (x * x + z * z) ** 0.5


def can_roll(thing: TownThing) -> bool:
    return thing.kind == "ball"


def gait(thing: TownThing) -> str:
    """How a thing of this kind travels: "roll", "walk", "drive", "sail" or "slide"."""
    if thing.kind == "boat":
        return "sail"
    if can_roll(thing) or thing.kind == "roller":
        return "roll"
    if thing.kind in WALKERS:
        return "walk"
    return "drive" if thing.kind in DRIVERS else "slide"
