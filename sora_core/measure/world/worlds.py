"""The world that rulers draw their scenes from, as the few functions they need of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ...shapes import Size
from ...world.captions import describe
from ...world.render import render
from .kinds import drawn_from, scene_of

FIRST_THING = 3  # segments from here on are things, in the order of `scene.things`


@dataclass(frozen=True, slots=True)
class World:
    """`scene` makes scene number n, from 0 on, of a kind; `caption` states everything of it.

    `render` takes a scene, a size, a rate and the second of the first frame, and returns a clip
    with `frames`, `segments` and a `truth` of `screen`, `visible`, `eye`, `axes` and `focal`.
    """

    scene: Callable[[str, int], Any]
    caption: Callable[[Any, str, int], str]
    render: Callable[..., Any]


def first_world() -> World:
    """The world of one or two balls, cubes, cylinders and cones, which `sora-mini` learned."""
    return World(scene_of, lambda scene, kind, n: describe(scene, drawn_from(kind, n)).long, render)


@dataclass(frozen=True, slots=True)
class View:
    """The camera of each frame: rows of `axes` are right, up, forward; `focal` is in pixels."""

    eye: Float[Tensor, "t 3"]
    axes: Float[Tensor, "t 3 3"]
    focal: Float[Tensor, "t"]


def camera_of(world: World, scene: Any, size: Size, fps: float, pace: float = 1.0) -> View:  # noqa: ANN401
    """The camera of `scene` at `pace` times its own speed."""
    small = Size(16, 16, size.frames)
    truth = world.render(scene, small, fps / max(pace, 1e-3)).truth
    return View(truth.eye, truth.axes, truth.focal * min(size.width, size.height) / 16)
