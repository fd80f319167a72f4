"""Random choices that recipes are written with: looks, places and views, within what is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from ...errors import check_choice
from ..scene import Choice
from .motion import pose
from .scene import (
    KINDS,
    PRIMITIVES,
    TOWN_CAMERAS,
    TOWN_COLOURS,
    TOWN_FLOORS,
    TOWN_SIZES,
    TOWN_SKIES,
    Contact,
    LightChange,
    Move,
    Stage,
    Stroke,
    TownThing,
    View,
)
from .things import footprint, height

MOVERS = ("ball", "ball", "cube", "cylinder", "cone", "car", "bus", "man", "woman", "dog", "cat")
SIDEWAYS_FRIENDLY = ("static", "handheld", "zoom in", "zoom out", "rise", "sink")
NATURAL = {  # colours that a kind usually has
    "tree": ("green", "green", "green", "orange", "pink", "red"),
    "dog": ("brown", "brown", "black", "white", "grey", "orange"),
    "cat": ("black", "orange", "white", "grey", "brown"),
    "snowman": ("white", "white", "white", "turquoise", "pink"),
    "wall": ("red", "brown", "grey", "white", "orange", "turquoise"),
    "table": ("brown", "brown", "white", "red", "black"),
    "lamp": ("black", "grey", "green", "red", "blue", "purple"),
}
PALE = {"snow": ("white",), "grass": ("green",), "tiles": ("white", "turquoise")}
PALE |= {"road": ("grey",), "grey": ("grey",), "dirt": ("brown",), "wood": ("brown",)}
PALE |= {"checker": ("black",)}
"""By floor, the colours that hardly contrast with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Attributes that a caller fixes; None is random. Raises ConfigError for an unknown word."""

    thing: str | None = None
    colour: str | None = None
    size: str | None = None
    floor: str | None = None
    sky: str | None = None
    camera: str | None = None
    count: int | None = None
    relation: str | None = None

    def __post_init__(self) -> None:
        known: tuple[tuple[str, tuple[str, ...]], ...] = (
            ("thing", KINDS),
            ("colour", TOWN_COLOURS),
            ("size", tuple(TOWN_SIZES)),
            ("floor", TOWN_FLOORS),
            ("sky", TOWN_SKIES),
            ("camera", TOWN_CAMERAS),
        )
        for name, words in known:
            word = getattr(self, name)
            if word is not None:
                check_choice(name, word, words)


class Draw:
    """A recipe's random choices; `seconds` is the length its events are planned for."""

    def __init__(self, rng: Generator, seconds: float, asked: Asked) -> None:
        self.rng, self.seconds, self.asked = rng, seconds, asked

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, choices: Sequence[Choice]) -> Choice:
        return choices[int(self.rng.integers(len(choices)))]

    def beat(self, low: float, high: float) -> float:
        """A time between two shares of the clip, of its first four seconds if it is longer."""
        return self.uniform(low, high) * min(self.seconds, 4.0)

    def side(self) -> float:
        return self.pick((-1.0, 1.0))

    def thing(
        self,
        kinds: Sequence[str] = KINDS,
        sizes: Sequence[str] = tuple(TOWN_SIZES),
        unlike: Sequence[TownThing] = (),
        asked: bool = True,
    ) -> TownThing:
        """A thing of one of `kinds`, unlike `unlike` in kind and colour; fixed attributes first."""
        kind = self.asked.thing if asked and self.asked.thing else None
        if kind is None:
            left = [k for k in kinds if all(k != thing.kind for thing in unlike)]
            kind = self.pick(left or kinds)
        usual = NATURAL.get(kind, ()) if self.chance(0.75) else TOWN_COLOURS
        colours = [c for c in usual or TOWN_COLOURS if all(c != thing.colour for thing in unlike)]
        colour = (
            self.asked.colour if asked and self.asked.colour else self.pick(colours or TOWN_COLOURS)
        )
        size = self.asked.size if asked and self.asked.size else self.pick(sizes)
        striped = kind in PRIMITIVES and self.chance(0.12)
        pattern = "striped" if striped else "plain"
        yaw = self.uniform(0.35, 0.7)
        if kind in ("house", "man", "woman", "robot", "snowman", "wall", "dog", "cat", "car"):
            yaw = 1.57 + self.uniform(-0.5, 0.5)  # faces the camera
        if kind in ("wall",):
            yaw = 1.57
        if kind in ("car", "bus", "boat", "dog", "cat", "roller") and self.chance(0.8):
            yaw = self.pick((0.0, 3.14)) + self.uniform(-0.3, 0.3)
        return TownThing(kind, colour, size, pattern, yaw=yaw)

    def stage(
        self,
        things: Sequence[TownThing],
        floor: str | None = None,
        sky: str | None = None,
        light: LightChange | None = None,
        strokes: tuple[Stroke, ...] = (),
        contacts: tuple[Contact, ...] = (),
    ) -> Stage:
        """A place that suits the things, which are numbered in order."""
        things = tuple(replace(thing, identity=i) for i, thing in enumerate(things))
        floor = floor or self.asked.floor or self.floor(things)
        sky = sky or self.asked.sky or self.pick(TOWN_SKIES)
        weather = "dry"
        if sky == "cloudy" and self.chance(0.3):
            weather = "snowfall" if floor == "snow" or self.chance(0.3) else "rain"
        return Stage(
            things,
            floor=floor,
            sky=sky,
            weather=weather,
            light_side=self.side(),
            floor_shift=(self.uniform(0, 8), self.uniform(0, 8)),
            heading=self.uniform(0, 8),
            light=light,
            strokes=strokes,
            contacts=contacts,
        )

    def floor(self, things: Sequence[TownThing]) -> str:
        """A floor that fits `things` and on which their colours are visible, if there is one."""
        kinds = {thing.kind for thing in things}
        if "boat" in kinds:
            return "water"
        if kinds & {"car", "bus"} and self.chance(0.4):
            return "road"
        lost = [f for f in TOWN_FLOORS if any(t.colour in PALE.get(f, ()) for t in things)]
        dry = [f for f in TOWN_FLOORS if f != "water" or kinds <= set(PRIMITIVES)]
        return self.pick([f for f in dry if f not in lost] or dry)

    def view(
        self,
        things: Sequence[TownThing],
        static: float = 0.6,
        camera: str | None = None,
        angle: str = "front",
        framing: str = "medium",
    ) -> View:
        """A camera under which the motions of `things` stay recognisable."""
        camera = camera or self.asked.camera
        if camera is None:
            names = {name for thing in things for name in thing.motions}
            calm = not names & {"go", "left", "right", "circle"} and not any(
                "left" in name or "right" in name or name in ("toward", "away") for name in names
            )
            moving = [c for c in (TOWN_CAMERAS if calm else SIDEWAYS_FRIENDLY) if c != "follow"]
            camera = "static" if self.chance(static) else self.pick(moving)
        return View(
            camera,
            pace=self.uniform(0.9, 1.15),
            height=self.uniform(1.45, 1.75),
            side=self.side(),
            angle=angle,
            framing=framing,
        )

    def pace(self, thing: TownThing) -> float:
        """A speed in world units a second."""
        low, high = {
            "car": (1.1, 1.6),
            "bus": (0.9, 1.3),
            "dog": (0.8, 1.3),
            "cat": (0.8, 1.2),
            "man": (0.7, 1.0),
            "woman": (0.7, 1.0),
            "robot": (0.6, 0.9),
        }.get(thing.kind, (0.8, 1.1))
        return self.uniform(low, high)

    def go(
        self,
        speed: float,
        direction: tuple[float, float],
        start: float = 0.0,
        stop: float | None = None,
        brake: bool = False,
    ) -> Move:
        """Travel at `speed` in a direction of length 1; without a stop it goes on for a minute."""
        stop = start + 60.0 if stop is None else stop
        length = speed * (stop - start)
        return Move(
            "go", start, stop, dx=direction[0] * length, dz=direction[1] * length, brake=brake
        )


def clear_of_each_other(things: Sequence[TownThing], gap: float = 0.05) -> bool:
    """Whether no two things share space at the start: one beside or above the other."""
    zero = np.zeros(1)
    places = [pose(thing, zero).origin[0] for thing in things]
    for i, first in enumerate(things):
        for j in range(i):
            second = things[j]
            across = places[i][0] - places[j][0]
            along = places[i][2] - places[j][2]
            far = (across**2 + along**2) ** 0.5
            if far < footprint(first) + footprint(second) + gap and not (
                _above(first, places[i][1], second) or _above(second, places[j][1], first)
            ):
                return False
    return True


def _above(upper: TownThing, level: float, lower: TownThing) -> bool:
    return level >= lower.base + height(lower) - 1e-6 and upper.base >= 0
