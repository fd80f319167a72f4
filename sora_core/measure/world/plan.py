"""The rulers, and the number of clips that each measures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...errors import check_choice, check_range
from ...shapes import Size
from . import (
    change,
    connect,
    count,
    distance,
    drift,
    edit,
    formats,
    free,
    geometry,
    guidance,
    identity,
    loop,
    permanence,
    physics,
    shape,
)
from .clips import SIZE, Clips
from .row import Row

LONG_SECONDS = 60  # of a long video; a quick run takes 16
LONG_FPS = 8


@dataclass(frozen=True, slots=True)
class RulerPlan:
    """`clips` of each kind, `calibration` true ones that set bars and ranges, `prompts` of each
    group of free prompts, and the `frames` of long videos."""

    clips: int
    calibration: int
    prompts: int
    frames: int = LONG_SECONDS * LONG_FPS

    def __post_init__(self) -> None:
        check_range("clips", self.clips, 2, 1000)

    @property
    def long(self) -> int:
        """The number of long videos."""
        return self.some(LONG_SHARE, FEWEST_LONG)

    def some(self, share: float, least: int = 2) -> int:
        """A `share` of the clips, `least` at least: for rulers whose clips take long."""
        return max(least, round(share * self.clips))


LONG_SHARE, FEWEST_LONG = 0.25, 3  # of the clips are long videos; one alone has no interval
COUNTED = (("bounce", "pair", "collide"), ("bounce", "pair", "several"))

FULL, QUICK = RulerPlan(24, 60, 40), RulerPlan(10, 40, 4, 16 * LONG_FPS)

Ruler = Callable[[Clips, RulerPlan], list[Row]]

RULERS: Mapping[str, Ruler] = {
    "shape": lambda c, p: shape.rows(c, p.clips, p.calibration),
    "physics": lambda c, p: physics.rows(
        c, p.clips, p.calibration, ("bounce", "fall", "roll", "collide")
    ),
    "geometry": lambda c, p: geometry.rows(c, p.some(0.5, 4), p.calibration // 2),
    "permanence": lambda c, p: permanence.rows(c, p.clips, p.calibration, "hide", "hidden"),
    "left": lambda c, p: permanence.rows(c, p.clips, p.calibration, "left", "left"),
    "push": lambda c, p: physics.rows(c, p.clips, p.calibration, ("push",)),
    "change": lambda c, p: change.rows(c, p.clips),
    "identity": lambda c, p: identity.rows(c, p.clips, p.calibration),
    "count": lambda c, p: [
        *count.rows(c, p.clips, COUNTED["several" in c.world.kinds], "clip", SIZE),
        *count.rows(c, p.long, ("bounce", "pair"), "minute", Size(64, 64, p.frames)),
    ],
    "rate": lambda c, p: formats.rate_rows(c, p.some(0.4, 4), p.calibration // 2),
    "size": lambda c, p: formats.size_rows(c, p.some(0.4, 4)),
    "loop": lambda c, p: loop.rows(c, p.some(0.5)),
    "connect": lambda c, p: connect.rows(c, p.some(0.5)),
    "guidance": lambda c, p: guidance.rows(c, p.some(0.5)),
    "edit": lambda c, p: edit.edit_rows(c, p.some(0.5)),
    "shot": lambda c, p: edit.shot_rows(c, p.some(0.3)),
    "distance": lambda c, p: distance.distance_rows(c, p.clips),
    "diversity": lambda c, p: distance.diversity_rows(c, p.clips),
    "free": lambda c, p: free.rows(c, p.prompts, 4 * p.clips),
    "drift": lambda c, p: drift.rows(c, p.long, Size(64, 64, p.frames)),
}


TOWN_ONLY = ("left", "push", "change", "identity")
"""Rulers of events that the first world does not have."""


def chosen_rulers(names: Sequence[str], town: bool) -> list[str]:
    """`names`, or all that the world has; `ConfigError` for one that is no ruler there."""
    known = [name for name in RULERS if town or name not in TOWN_ONLY]
    for name in names:
        check_choice("ruler", name, known)
    return list(names or known)
