"""The toy town as a world for rulers: cars, people, pushes, strokes, cuts and lights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...errors import check_choice
from ...world.render import FIRST_THING
from ...world.scene import CAMERAS, FLOORS, SKIES
from ...world.town.captions import describe_town
from ...world.town.recipes import scene_of
from ...world.town.render import render_town
from ...world.town.scene import PRIMITIVES, TownScene
from .free_prompts import FREE_COLOURS, FREE_KINDS, FREE_MOTIONS, DemandedFacts, ThingFact
from .kinds import FIRST_SEED, SPACING
from .worlds import RulerWorld

TOWN_SECONDS = 2.0
RULED_FLOORS = ("grass", "sand", "checker", "snow", "wood", "grey", "brick", "dirt", "tiles")
BOTH = ("collide", "push", "relation")  # recipes whose first two things both matter


@dataclass(frozen=True, slots=True)
class RulerRecipe:
    """A recipe of the town and its fixed attributes; `things` are used in turn by scene number."""

    name: str
    things: tuple[str, ...] = ()
    camera: str | None = "static"
    fixed: Mapping[str, str | int] | None = None


RULER_RECIPES: Mapping[str, RulerRecipe] = {
    "bounce": RulerRecipe("bounce", PRIMITIVES),
    "fall": RulerRecipe("fall", PRIMITIVES),
    "roll": RulerRecipe("roll", ("ball",)),
    "travel": RulerRecipe("slide", ("cube", "cylinder", "cone")),
    "still": RulerRecipe("still", PRIMITIVES),
    "same": RulerRecipe(
        "roll", ("ball",), fixed={"colour": "red", "size": "medium", "floor": "grass", "sky": "day"}
    ),
    "collide": RulerRecipe("collide"),
    "push": RulerRecipe("push"),
    "pair": RulerRecipe("relation", PRIMITIVES),
    "several": RulerRecipe("count", PRIMITIVES),
    "hide": RulerRecipe("hidden"),
    "left": RulerRecipe("left"),
    "stroke": RulerRecipe("stroke"),
    "light": RulerRecipe("light", PRIMITIVES),
    "cut": RulerRecipe("cut_same_thing", PRIMITIVES),
    "orbit": RulerRecipe("orbit", camera=None),
    "pan": RulerRecipe("pan", camera=None),
    "rise": RulerRecipe("rise", camera=None),
    "zoom": RulerRecipe("zoom", camera=None),
}
ALIKE = {"man": "person", "woman": "person", "turquoise": "cyan"}
NO_CAMERA = ("hide", "left", "cut", "light")  # recipes that choose their own


def town() -> RulerWorld:
    """The world of the toy town."""
    parts = (_scene, _caption, render_town, _tracked, _changed_scene, _floor, _sky, _stated_facts)
    return RulerWorld(*parts, tuple(RULER_RECIPES), RULED_FLOORS, SKIES)


def _scene(kind: str, number: int) -> TownScene:
    check_choice("kind", kind, RULER_RECIPES)
    recipe = RULER_RECIPES[kind]
    fixed = dict(recipe.fixed or {})
    if recipe.things:
        fixed["thing"] = recipe.things[number % len(recipe.things)]
    if recipe.camera and kind not in NO_CAMERA:
        fixed["camera"] = recipe.camera
    return scene_of(recipe.name, _seed(kind, number), TOWN_SECONDS, **fixed)  # pyright: ignore


def _caption(scene: TownScene, kind: str, number: int) -> str:
    return describe_town(scene, _seed(kind, number), TOWN_SECONDS, style="long").text


def _seed(kind: str, number: int) -> int:
    return FIRST_SEED + SPACING * list(RULER_RECIPES).index(kind) + number


def _tracked(scene: TownScene) -> list[tuple[int, ...]]:
    if scene.kind == "count":  # several alike, and nothing else in their colour
        main = scene.things[scene.subject]
        alike = [t for t in scene.things if (t.kind, t.colour) == (main.kind, main.colour)]
        return [tuple(FIRST_THING + thing.identity for thing in alike)]
    if scene.kind in BOTH:
        return [(FIRST_THING,), (FIRST_THING + 1,)]
    return [(FIRST_THING + scene.subject,)]


def _changed_scene(
    scene: TownScene,
    colour: str | None = None,
    floor: str | None = None,
    sky: str | None = None,
    aside: float = 0.0,
) -> TownScene:
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


def _floor(scene: TownScene) -> str:
    return scene.shots[0].stage.floor


def _sky(scene: TownScene) -> str:
    return scene.shots[0].stage.sky


def _stated_facts(scene: TownScene) -> DemandedFacts | None:
    """The facts of its subject and setting; None if free prompts have no word for one of them."""
    stage, camera = scene.shots[0].stage, scene.shots[0].view.camera
    thing = scene.things[scene.subject]
    kind, colour = (ALIKE.get(word, word) for word in (thing.kind, thing.colour))
    known = kind in FREE_KINDS and colour in FREE_COLOURS and thing.motions[0] in FREE_MOTIONS
    if not known or len(scene.shots) > 1 or stage.floor not in FLOORS or stage.light:
        return None
    if camera not in CAMERAS or stage.sky not in SKIES:
        return None
    fact = ThingFact("subject", kind=kind, colour=colour, motions=thing.motions[:1])
    return DemandedFacts((fact,), floor=stage.floor, sky=(stage.sky,), camera=(camera,))
