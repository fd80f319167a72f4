"""Scenes of the toy town as values: shots of stages, things on a stage, and their moves.

Lengths are in world units: four fill the smaller side of the frame where things stand. Times are in
seconds. Axes: x to the right, y up, z away from the camera; the floor is y = 0.
"""

from dataclasses import dataclass, field
from math import inf
from zlib import crc32

from ...errors import ConfigError, check_choice

PRIMITIVES = ("ball", "cube", "cylinder", "cone")
ASSEMBLIES = (
    "car",
    "bus",
    "man",
    "woman",
    "dog",
    "cat",
    "tree",
    "house",
    "tower",
    "lamp",
    "wall",
    "roller",
    "snowman",
    "robot",
    "boat",
    "table",
)
KINDS = PRIMITIVES + ASSEMBLIES
TOWN_COLOURS = (
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "turquoise",
    "white",
    "grey",
    "black",
)
TOWN_SIZES = {"small": 0.76, "medium": 1.0, "large": 1.26}
PATTERNS = ("plain", "striped")
TOWN_FLOORS = (
    "grass",
    "sand",
    "checker",
    "snow",
    "wood",
    "grey",
    "water",
    "road",
    "brick",
    "dirt",
    "tiles",
)
TOWN_SKIES = ("day", "dawn", "sunset", "night", "cloudy")
WEATHERS = ("dry", "rain", "snowfall")
TOWN_VERBS = (
    "go",
    "fall",
    "drop",
    "bounce",
    "jump",
    "spin",
    "circle",
    "sway",
    "topple",
    "scatter",
    "grow",
    "turn",
)
TOWN_CAMERAS = (
    "static",
    "handheld",
    "pan left",
    "pan right",
    "tilt up",
    "tilt down",
    "zoom in",
    "zoom out",
    "rise",
    "sink",
    "orbit",
    "orbit right",
    "push in",
    "pull back",
    "truck left",
    "truck right",
    "follow",
)
ANGLES = ("front", "side", "behind", "above", "low")
FRAMINGS = {"close": 4.2, "medium": 5.5, "wide": 7.6}
STROKES = ("stroke", "tracks", "footprints")
CONTACTS = ("hit", "push", "knock over")


@dataclass(frozen=True, slots=True)
class Move:
    """One contribution to a thing's motion; the moves of a thing add up.

    `start` and `stop` are seconds on the stage's clock. By verb: "go" travels (`dx`, `dz`) between
    them, slowing to a halt with `brake`; "fall" begins `amount` above the thing's base and "drop"
    ends `amount` below it; "bounce" and "jump" rise `amount`; "spin" turns `amount` radians a
    second and "turn" `amount` radians in all; "circle" goes around the point (`dx`, `dz`) away
    from the thing, one turn in `period` seconds, to the other side if that is negative; "topple"
    and "scatter" fall to the side of `dx`; "grow" ends `amount` times as large.
    """

    verb: str
    start: float = 0.0
    stop: float = inf
    dx: float = 0.0
    dz: float = 0.0
    amount: float = 1.0
    brake: bool = False
    phase: float = 0.0
    period: float = 3.0

    def __post_init__(self) -> None:
        check_choice("verb", self.verb, TOWN_VERBS)
        if self.stop <= self.start:
            raise ConfigError(f"move {self.verb!r} stops at {self.stop} s: choose a later stop")

    @property
    def name(self) -> str:
        """The motion as a viewer names it: the verb, or for "go" the direction of travel."""
        if self.verb == "grow":
            return "grow" if self.amount > 1 else "shrink"
        if self.verb != "go":
            return self.verb
        across = "left" if self.dx < 0 else "right"
        along = "toward" if self.dz < 0 else "away"
        if abs(self.dx) > 2.2 * abs(self.dz):
            return across
        return along if abs(self.dz) > 2.2 * abs(self.dx) else f"{along} {across}"


@dataclass(frozen=True, slots=True)
class TownThing:
    """One thing; (`x`, `z`) is where it stands at time 0 and `base` how high above the floor.

    `identity` is the same in all shots that show the same thing. `repaint` is the colour it turns
    into at `repaint_at`; a lamp is lit from `lit_at` on.
    """

    kind: str
    colour: str
    size: str = "medium"
    pattern: str = "plain"
    x: float = 0.0
    z: float = 0.0
    base: float = 0.0
    yaw: float = 0.5
    moves: tuple[Move, ...] = ()
    identity: int = 0
    repaint: str = ""
    repaint_at: float = inf
    lit_at: float = inf

    def __post_init__(self) -> None:
        check_choice("thing", self.kind, KINDS)
        check_choice("colour", self.colour, TOWN_COLOURS)
        check_choice("size", self.size, TOWN_SIZES)
        check_choice("pattern", self.pattern, PATTERNS)
        if self.repaint:
            check_choice("repaint", self.repaint, TOWN_COLOURS)

    @property
    def scale(self) -> float:
        return TOWN_SIZES[self.size]

    @property
    def motions(self) -> tuple[str, ...]:
        """The names of its moves in order of time; ("still",) if it has none."""
        ordered = sorted(self.moves, key=lambda move: move.start)
        return tuple(move.name for move in ordered) or ("still",)


@dataclass(frozen=True, slots=True)
class Stroke:
    """A mark that `thing` leaves on the floor between `start` and `stop`, and that stays."""

    thing: int
    colour: str
    style: str = "stroke"
    width: float = 0.5
    start: float = 0.0
    stop: float = inf

    def __post_init__(self) -> None:
        check_choice("stroke colour", self.colour, TOWN_COLOURS)
        check_choice("stroke style", self.style, STROKES)


@dataclass(frozen=True, slots=True)
class LightChange:
    """The sky turns into `sky` between `start` and `stop`."""

    sky: str
    start: float
    stop: float

    def __post_init__(self) -> None:
        check_choice("sky", self.sky, TOWN_SKIES)


@dataclass(frozen=True, slots=True)
class Contact:
    """Thing `first` touches thing `second` (indices on the stage) at `time`: one of CONTACTS."""

    verb: str
    time: float
    first: int
    second: int

    def __post_init__(self) -> None:
        check_choice("contact", self.verb, CONTACTS)


@dataclass(frozen=True, slots=True)
class Stage:
    """A place and what happens in it."""

    things: tuple[TownThing, ...]
    floor: str = "grass"
    sky: str = "day"
    weather: str = "dry"
    light: LightChange | None = None
    strokes: tuple[Stroke, ...] = ()
    contacts: tuple[Contact, ...] = ()
    light_side: float = -1.0
    floor_shift: tuple[float, float] = (0.0, 0.0)
    heading: float = 0.0

    def __post_init__(self) -> None:
        check_choice("floor", self.floor, TOWN_FLOORS)
        check_choice("sky", self.sky, TOWN_SKIES)
        check_choice("weather", self.weather, WEATHERS)
        identities = [thing.identity for thing in self.things]
        if len(set(identities)) < len(identities):
            raise ConfigError(f"identities {identities}: give every thing of a stage its own")
        for stroke in self.strokes:
            if not 0 <= stroke.thing < len(self.things):
                raise ConfigError(f"stroke of thing {stroke.thing}: there are {len(self.things)}")


@dataclass(frozen=True, slots=True)
class View:
    """A camera: its motion, angle and framing."""

    camera: str = "static"
    angle: str = "front"
    framing: str = "medium"
    pace: float = 1.0
    height: float = 1.6
    side: float = 1.0

    def __post_init__(self) -> None:
        check_choice("camera", self.camera, TOWN_CAMERAS)
        check_choice("angle", self.angle, ANGLES)
        check_choice("framing", self.framing, FRAMINGS)


@dataclass(frozen=True, slots=True)
class Shot:
    """A stage through a view, from `start` seconds into the clip until the next shot.

    The stage's clock reads `offset` when the shot begins.
    """

    stage: Stage
    view: View = field(default_factory=View)
    start: float = 0.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class TownScene:
    """Everything that decides how a clip looks, at any size, rate and length.

    `kind` names the recipe that drew it; `subject` is the identity of the thing it is about.
    """

    shots: tuple[Shot, ...]
    kind: str = ""
    subject: int = 0

    def __post_init__(self) -> None:
        starts = [shot.start for shot in self.shots]
        if not starts or starts[0] != 0 or sorted(set(starts)) != starts:
            raise ConfigError(f"shots start at {starts} s: begin at 0 and let each start later")

    @property
    def things(self) -> tuple[TownThing, ...]:
        """One thing for each identity, in order, from the first shot that shows it."""
        found: dict[int, TownThing] = {}
        for shot in self.shots:
            for thing in shot.stage.things:
                found.setdefault(thing.identity, thing)
        return tuple(found[identity] for identity in sorted(found))


def is_held_out_kind(kind: str, colour: str, motion: str) -> bool:
    """Whether training never shows this combination: about one in eight."""
    return crc32(f"town: {colour} {kind} {motion}".encode()) % 1000 < 125


def is_held_out_pair(kind: str, relation: str, other: str) -> bool:
    """Whether training never shows `kind` in `relation` (or contact) to `other`: one in eight."""
    return crc32(f"pair: {kind} {relation} {other}".encode()) % 1000 < 125
