"""The toy town as a world for rulers: cars, people, pushes, strokes, cuts and lights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...errors import ConfigError
from ...world.town.captions import describe
from ...world.town.recipes import scene_of
from ...world.town.render import FIRST_THING, render
from ...world.town.scene import PRIMITIVES, Scene
from .free_prompts import CAMERAS, COLOURS, KINDS, MOTIONS, Facts, ThingFact
from .free_prompts import FLOORS as FREE_FLOORS
from .worlds import World

FIRST_SEED = 990_000_000  # no training draws from here on
SPACING = 100_000
SECONDS = 2.0
FLOORS = ("grass", "sand", "checker", "snow", "wood", "grey", "brick", "dirt", "tiles")
SKIES = ("day", "sunset", "night")
BOTH = ("collide", "push", "relation")  # recipes whose first two things both matter


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe of the town, and what is fixed of it; things are taken in turn by number."""

    name: str
    things: tuple[str, ...] = ()
    camera: str | None = "static"
    fixed: Mapping[str, str | int] | None = None


RECIPES: Mapping[str, Recipe] = {
    "bounce": Recipe("bounce", PRIMITIVES),
    "fall": Recipe("fall", PRIMITIVES),
    "roll": Recipe("roll", ("ball",)),
    "travel": Recipe("slide", ("cube", "cylinder", "cone")),
    "still": Recipe("still", PRIMITIVES),
    "same": Recipe(
        "roll", ("ball",), fixed={"colour": "red", "size": "medium", "floor": "grass", "sky": "day"}
    ),
    "collide": Recipe("collide"),
    "push": Recipe("push"),
    "pair": Recipe("relation", PRIMITIVES),
    "several": Recipe("count", PRIMITIVES),
    "hide": Recipe("hidden"),
    "left": Recipe("left"),
    "stroke": Recipe("stroke"),
    "light": Recipe("light", PRIMITIVES),
    "cut": Recipe("cut_same_thing", PRIMITIVES),
    "orbit": Recipe("orbit", camera=None),
    "pan": Recipe("pan", camera=None),
    "rise": Recipe("rise", camera=None),
    "zoom": Recipe("zoom", camera=None),
}
ALIKE = {"man": "person", "woman": "person", "turquoise": "cyan"}
NO_CAMERA = ("hide", "left", "cut", "light")  # recipes that choose their own


def town() -> World:
    """The world of the toy town."""
    parts = (_scene, _caption, render, _tracked, _changed, _floor, _sky, _facts)
    return World(*parts, tuple(RECIPES), FLOORS, SKIES)


def _scene(kind: str, number: int) -> Scene:
    if kind not in RECIPES:
        raise ConfigError(f"kind {kind!r}: choose from {', '.join(RECIPES)}")
    recipe = RECIPES[kind]
    fixed = dict(recipe.fixed or {})
    if recipe.things:
        fixed["thing"] = recipe.things[number % len(recipe.things)]
    if recipe.camera and kind not in NO_CAMERA:
        fixed["camera"] = recipe.camera
    return scene_of(recipe.name, _seed(kind, number), SECONDS, **fixed)  # pyright: ignore


def _caption(scene: Scene, kind: str, number: int) -> str:
    return describe(scene, _seed(kind, number), SECONDS, style="long").text


def _seed(kind: str, number: int) -> int:
    return FIRST_SEED + SPACING * list(RECIPES).index(kind) + number


def _tracked(scene: Scene) -> list[tuple[int, ...]]:
    if scene.kind == "count":  # several alike, and nothing else in their colour
        main = scene.things[scene.subject]
        alike = [t for t in scene.things if (t.kind, t.colour) == (main.kind, main.colour)]
        return [tuple(FIRST_THING + thing.identity for thing in alike)]
    if scene.kind in BOTH:
        return [(FIRST_THING,), (FIRST_THING + 1,)]
    return [(FIRST_THING + scene.subject,)]


def _changed(
    scene: Scene,
    colour: str | None = None,
    floor: str | None = None,
    sky: str | None = None,
    aside: float = 0.0,
) -> Scene:
    shots = []
    for shot in scene.shots:
        things = tuple(
            replace(
                thing,
                colour=colour or thing.colour,
                x=thing.x + (aside if thing.x < 0 else -aside),
            )
            if thing.identity == scene.subject
            else thing
            for thing in shot.stage.things
        )
        stage = replace(
            shot.stage, things=things, floor=floor or shot.stage.floor, sky=sky or shot.stage.sky
        )
        shots.append(replace(shot, stage=stage))
    return replace(scene, shots=tuple(shots))


def _floor(scene: Scene) -> str:
    return scene.shots[0].stage.floor


def _sky(scene: Scene) -> str:
    return scene.shots[0].stage.sky


def _facts(scene: Scene) -> Facts | None:
    """What its subject is and does, and where; None without a word for one of these."""
    stage, camera = scene.shots[0].stage, scene.shots[0].view.camera
    thing = scene.things[scene.subject]
    kind, colour = (ALIKE.get(word, word) for word in (thing.kind, thing.colour))
    known = kind in KINDS and colour in COLOURS and thing.motions[0] in MOTIONS
    if not known or len(scene.shots) > 1 or stage.floor not in FREE_FLOORS or stage.light:
        return None
    if camera not in CAMERAS or stage.sky not in SKIES:
        return None
    fact = ThingFact("subject", kind=kind, colour=colour, motions=thing.motions[:1])
    return Facts((fact,), floor=stage.floor, sky=(stage.sky,), camera=(camera,))
