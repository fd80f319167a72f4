"""The world that rulers draw their scenes from, as the few functions that they call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from ...shapes import Size
from ...world.captions import describe
from ...world.render import FIRST_THING, render
from ...world.scene import FLOORS, SKIES, Scene
from .free_prompts import DemandedFacts, ThingFact
from .kinds import DOMAINS, drawn_from, scene_of_kind


@dataclass(frozen=True, slots=True)
class RulerWorld:
    """`scene` makes scene number n, from 0 on, of a kind; `caption` states everything of it.

    `render` takes a scene, a size, a rate and the second of the first frame, and returns a clip
    with `frames`, `segments` and a `truth` of `screen`, `visible`, `eye`, `axes` and `focal`.
    `tracked` lists the segments of the things that matter, of those that look alike together.
    `changed` puts a colour on the first thing, moves it `aside` (in world units), or puts another
    floor or sky around it; `floors` and `skies` are those to choose from. `facts`
    are the facts of a scene, None where free prompts have no word for one.
    """

    scene: Callable[[str, int], Any]
    caption: Callable[[Any, str, int], str]
    render: Callable[..., Any]
    tracked: Callable[[Any], Sequence[Sequence[int]]]
    changed: Callable[..., Any]
    floor: Callable[[Any], str]
    sky: Callable[[Any], str]
    facts: Callable[[Any], DemandedFacts | None]
    kinds: tuple[str, ...] = tuple(DOMAINS)
    floors: tuple[str, ...] = FLOORS
    skies: tuple[str, ...] = SKIES


def first_world() -> RulerWorld:
    """The world of one or two balls, cubes, cylinders and cones, which `sora-mini` learned."""
    return RulerWorld(
        scene_of_kind,
        lambda scene, kind, n: describe(scene, drawn_from(kind, n)).long,
        render,
        lambda scene: [(FIRST_THING + k,) for k in range(len(scene.things))],
        _changed,
        lambda scene: scene.floor,
        lambda scene: scene.sky,
        _facts,
    )


def _changed(
    scene: Scene,
    colour: str | None = None,
    floor: str | None = None,
    sky: str | None = None,
    aside: float = 0.0,
) -> Scene:
    main, *others = scene.things
    main = replace(main, colour=colour or main.colour, x=_moved_inward(main.x, aside))
    setting = {"floor": floor or scene.floor, "sky": sky or scene.sky}
    return replace(scene, things=(main, *others), **setting)


def _facts(scene: Scene) -> DemandedFacts:
    things = tuple(
        ThingFact(f"thing {i}", kind=thing.shape, colour=thing.colour, motions=(thing.motion,))
        for i, thing in enumerate(scene.things)
    )
    return DemandedFacts(things, floor=scene.floor, sky=(scene.sky,), camera=(scene.camera,))


def _moved_inward(x: float, aside: float) -> float:
    """`x` moved by `aside` toward the farther border."""
    return x + (aside if x < 0 else -aside)


@dataclass(frozen=True, slots=True)
class CameraTrack:
    """The camera of each frame: rows of `axes` are right, up, forward; `focal` is in pixels."""

    eye: Float[Tensor, "t 3"]
    axes: Float[Tensor, "t 3 3"]
    focal: Float[Tensor, "t"]


def camera_of(
    world: RulerWorld,
    scene: Any,  # noqa: ANN401
    size: Size,
    fps: float,
    pace: float = 1.0,
) -> CameraTrack:
    """The camera of `scene` at `pace` times its own speed."""
    small = Size(16, 16, size.frames)
    truth = world.render(scene, small, fps / max(pace, 1e-3)).truth
    return CameraTrack(truth.eye, truth.axes, truth.focal * min(size.width, size.height) / 16)
