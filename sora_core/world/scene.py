"""Scenes of the toy world: objects, their motions, camera and setting, and random sampling.

Lengths are in world units: at the distance of the objects, four units fill the smaller side of the
frame. The axes are x to the right, y up and z away from the camera; the floor is y = 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from math import inf
from typing import TypeVar
from zlib import crc32

import numpy as np
from numpy.random import PCG64, Generator

from ..errors import ConfigError, check_range

SHAPES = ("ball", "cube", "cylinder", "cone")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "white")
SIZES = ("small", "medium", "large")
FLOORS = ("grass", "sand", "checker", "snow", "wood", "grey")
SKIES = ("day", "sunset", "night")
MOTIONS = ("left", "right", "toward", "away", "bounce", "fall", "spin", "still")
CAMERAS = ("static", "pan left", "pan right", "zoom in", "zoom out", "rise", "orbit")

RADII = {"small": 0.54, "medium": 0.7, "large": 0.86}
MOTION_WEIGHTS = {
    "left": 2.5,
    "right": 2.5,
    "toward": 1.75,
    "away": 1.75,
    "bounce": 1.25,
    "fall": 1.25,
}

Choice = TypeVar("Choice")

# Motions that stay recognisable under a camera: a pan hides sideways motion, a zoom hides depth.
READABLE = {
    "static": MOTIONS,
    "pan left": ("bounce", "fall", "spin", "still"),
    "pan right": ("bounce", "fall", "spin", "still"),
    "zoom in": ("left", "right", "bounce", "fall", "spin", "still"),
    "zoom out": ("left", "right", "bounce", "fall", "spin", "still"),
    "rise": MOTIONS,
    "orbit": ("bounce", "fall", "still"),
}


@dataclass(frozen=True, slots=True)
class Thing:
    """One object, at (`x`, `z`) before it moves; `pace` is its speed, or the height of a bounce."""

    shape: str
    colour: str
    size: str
    pattern: str
    motion: str
    x: float = 0.0
    z: float = 0.0
    pace: float = 1.0
    yaw: float = 0.5
    phase: float = 0.0
    start: float = 0.0
    stop: float = inf

    @property
    def radius(self) -> float:
        """The radius of a ball of this size."""
        return RADII[self.size]

    @property
    def half(self) -> tuple[float, float, float]:
        """Half its extent along each of its own axes."""
        x, y = {
            "ball": (1.0, 1.0),
            "cube": (0.8, 0.8),
            "cylinder": (0.78, 0.92),
            "cone": (0.95, 1.0),
        }[self.shape]
        return x * self.radius, y * self.radius, x * self.radius


@dataclass(frozen=True, slots=True)
class Wall:
    """A brick wall on the floor, parallel to the picture."""

    x: float
    z: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Scene:
    """All that determines a clip's content, at any size and length."""

    things: tuple[Thing, ...]
    floor: str
    sky: str
    camera: str
    wall: Wall | None = None
    collision: bool = False
    camera_pace: float = 1.0
    camera_height: float = 1.6
    light_side: float = -1.0
    floor_shift: tuple[float, float] = (0.0, 0.0)
    heading: float = 0.0

    @property
    def labels(self) -> dict[str, str]:
        """The attributes that are visible in the pixels: of the first object and the setting."""
        main = self.things[0]
        return {
            "colour": main.colour,
            "shape": main.shape,
            "motion": main.motion,
            "camera": self.camera,
            "floor": self.floor,
            "sky": self.sky,
        }


@dataclass(frozen=True, slots=True)
class Domain:
    """The distribution of scenes: allowed values, and shares. The default trains `sora-mini`.

    ConfigError for unknown values, shares outside [0, 1], and cameras that fit no motion.
    """

    shapes: tuple[str, ...] = SHAPES
    colours: tuple[str, ...] = COLOURS
    sizes: tuple[str, ...] = SIZES
    floors: tuple[str, ...] = FLOORS
    skies: tuple[str, ...] = SKIES
    motions: tuple[str, ...] = MOTIONS
    cameras: tuple[str, ...] = CAMERAS
    two_objects: float = 0.2
    collisions: float = 0.03
    walls: float = 0.03
    striped: float = 0.12
    static_camera: float = 0.5

    def __post_init__(self) -> None:
        known = (SHAPES, COLOURS, SIZES, FLOORS, SKIES, MOTIONS, CAMERAS)
        for field, words in zip(fields(self), known, strict=False):
            chosen = getattr(self, field.name)
            if not chosen or not set(chosen) <= set(words):
                raise ConfigError(f"{field.name} {chosen}: choose from {', '.join(words)}")
        for field in fields(self)[len(known) :]:
            check_range(field.name, getattr(self, field.name), 0, 1)
        if not any(set(READABLE[camera]) & set(self.motions) for camera in self.cameras):
            raise ConfigError(
                f"no camera of {self.cameras} fits a motion of {self.motions}: add 'static'"
            )


def is_held_out(shape: str, colour: str, motion: str) -> bool:
    """Whether training excludes this combination, to test composition: about one in nine."""
    return crc32(f"stone: {colour} {shape} {motion}".encode()) % 1000 < 120


def sample_scene(seed: int, domain: Domain | None = None, held_out: bool = False) -> Scene:
    """The scene of `seed`, drawn from `domain`.

    In training scenes no object has a held-out combination of shape, colour and motion; with
    `held_out` there is a single object, which has one. ConfigError if `domain` has no such scene.
    """
    domain = domain or Domain()
    rng = Generator(PCG64(seed))
    for _ in range(2000):
        scene = _draw_scene(rng, domain, alone=held_out)
        held_out_combinations = [
            is_held_out(thing.shape, thing.colour, thing.motion) for thing in scene.things
        ]
        if all(held_out_combinations) if held_out else not any(held_out_combinations):
            return scene
    kind = "held-out" if held_out else "training"
    raise ConfigError(f"the domain has no {kind} scene: allow more shapes, colours or motions")


def _draw_scene(rng: Generator, domain: Domain, alone: bool) -> Scene:
    kind = rng.random()
    sideways = [motion for motion in ("left", "right") if motion in domain.motions]
    if not alone and sideways and kind < domain.collisions:
        things, wall, camera = _collision(rng, domain, _pick(rng, sideways)), None, "static"
    elif not alone and sideways and kind < domain.collisions + domain.walls:
        things, wall = _hiding(rng, domain, _pick(rng, sideways))
        camera = "static"
    else:
        camera = _camera(rng, domain)
        motions = [motion for motion in READABLE[camera] if motion in domain.motions]
        weights = np.array([MOTION_WEIGHTS.get(motion, 1.0) for motion in motions])
        motion = motions[rng.choice(len(motions), p=weights / weights.sum())]
        pair = not alone and rng.random() < domain.two_objects
        things = _pair(rng, domain, motion) if pair else (_single(rng, domain, motion),)
        if motion in ("left", "right") and camera in ("zoom in", "zoom out"):
            main = things[0]  # a zoom narrows the view
            things = (replace(main, x=0.75 * main.x, pace=0.75 * main.pace), *things[1:])
        wall = None
    pale = any(thing.colour == "white" for thing in things)  # white is invisible on snow
    floors = [floor for floor in domain.floors if not (pale and floor == "snow")] or domain.floors
    return Scene(
        things=things,
        floor=_pick(rng, floors),
        sky=_pick(rng, domain.skies),
        camera=camera,
        wall=wall,
        collision=len(things) == 2 and things[0].stop < inf,
        camera_pace=rng.uniform(0.9, 1.15),
        camera_height=rng.uniform(1.45, 1.75),
        light_side=_pick(rng, (-1.0, 1.0)),
        floor_shift=(rng.uniform(0, 8), rng.uniform(0, 8)),
        heading=rng.uniform(0, 8),
    )


def _pick(rng: Generator, choices: Sequence[Choice]) -> Choice:
    return choices[int(rng.integers(len(choices)))]


def _camera(rng: Generator, domain: Domain) -> str:
    usable = [c for c in domain.cameras if set(READABLE[c]) & set(domain.motions)]
    moving = [camera for camera in usable if camera != "static"]
    if "static" in usable and (not moving or rng.random() < domain.static_camera):
        return "static"
    return _pick(rng, moving)


def _random_thing(
    rng: Generator, domain: Domain, motion: str, sizes: Sequence[str], other: Thing | None = None
) -> Thing:
    """A thing whose look makes `motion` visible, different from `other` in shape and colour."""
    shapes = [s for s in domain.shapes if other is None or s != other.shape] or domain.shapes
    colours = [c for c in domain.colours if other is None or c != other.colour] or domain.colours
    shape = _pick(rng, shapes)
    if motion == "spin" and "cube" in shapes and rng.random() < 0.6:
        shape = "cube"
    striped = rng.random() < domain.striped or (motion == "spin" and shape != "cube")
    return Thing(
        shape=shape,
        colour=_pick(rng, colours),
        size=_pick(rng, [size for size in sizes if size in domain.sizes] or domain.sizes),
        pattern="striped" if striped else "plain",
        motion=motion,
        yaw=rng.uniform(0.35, 0.7),
        phase=rng.random(),
        pace=_pace(rng, motion),
    )


def _pace(rng: Generator, motion: str) -> float:
    low, high = {
        "toward": (1.6, 1.9),
        "away": (1.6, 1.9),
        "bounce": (0.85, 1.15),
        "spin": (1.7, 2.3),
    }.get(motion, (0.85, 1.0))
    return rng.uniform(low, high)


def _depth(rng: Generator, motion: str) -> float:
    """The start of a motion in z, such that one along the line of sight stays in view."""
    low, high = {"toward": (2.3, 2.8), "away": (-1.1, -0.8)}.get(motion, (-0.25, 0.35))
    return rng.uniform(low, high)


def _single(rng: Generator, domain: Domain, motion: str) -> Thing:
    thing = _random_thing(rng, domain, motion, SIZES)
    side = {"left": 1.0, "right": -1.0}.get(motion)
    x = rng.uniform(-0.45, 0.45) if side is None else side * rng.uniform(0.85, 1.15)
    return replace(thing, x=x, z=_depth(rng, motion))


def _pair(rng: Generator, domain: Domain, motion: str) -> tuple[Thing, Thing]:
    """Two things side by side; one that crosses the frame passes in front of the other."""
    first = _random_thing(rng, domain, motion, ("small", "medium"))
    calm = [m for m in ("still", "still", "bounce", "spin") if m in domain.motions] or [motion]
    second = _random_thing(rng, domain, _pick(rng, calm), ("small", "medium"), first)
    side = _pick(rng, (-1.0, 1.0))
    if motion in ("left", "right"):
        start = 1.0 if motion == "left" else -1.0
        first = replace(first, x=start * rng.uniform(0.95, 1.15), z=-0.5)
        second = replace(second, x=side * rng.uniform(0.4, 0.9), z=1.6)
    else:
        first = replace(first, x=-side * rng.uniform(0.8, 1.0), z=_depth(rng, motion))
        second = replace(second, x=side * rng.uniform(0.8, 1.0), z=rng.uniform(-0.2, 0.4))
    return first, second


def _collision(rng: Generator, domain: Domain, motion: str) -> tuple[Thing, Thing]:
    """Two things: the first stops on contact with the second, which takes most of its speed."""
    first = _random_thing(rng, domain, motion, ("small", "medium"))
    second = _random_thing(rng, domain, motion, ("small", "medium"), first)
    direction = 1.0 if motion == "right" else -1.0
    start, target = -direction * rng.uniform(1.35, 1.5), direction * rng.uniform(0.15, 0.35)
    pace = rng.uniform(1.1, 1.25)
    gap = abs(target - start) - first.half[0] - second.half[0]
    hit = max(gap, 0.2) / pace
    return (  # yaw 0: faces meet squarely
        replace(first, x=start, z=0.0, pace=pace, stop=hit, yaw=0.0),
        replace(second, x=target, z=0.0, pace=0.7 * pace, start=hit, yaw=0.0),
    )


def _hiding(rng: Generator, domain: Domain, motion: str) -> tuple[tuple[Thing], Wall]:
    """A thing that passes behind a wall in the middle, and the wall."""
    direction = 1.0 if motion == "right" else -1.0
    thing = _random_thing(rng, domain, motion, ("small", "medium"))
    thing = replace(
        thing, x=-direction * rng.uniform(1.55, 1.7), z=0.7, pace=rng.uniform(1.45, 1.6)
    )
    wall = Wall(x=rng.uniform(-0.1, 0.1), z=-0.5, width=rng.uniform(1.2, 1.4), height=1.7)
    return (thing,), wall
