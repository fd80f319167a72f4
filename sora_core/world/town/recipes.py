"""Scenes drawn on purpose: one recipe for each kind of thing that the town can show.

`scene_of` checks what a recipe drew: nothing shares space at the start, and no combination that
training must not show appears (or one does, where that is asked).
"""

from collections.abc import Callable

import numpy as np
from numpy.random import PCG64, Generator

from ...errors import ConfigError, check_choice, check_range
from . import actions, changes, crowds, shots
from .draw import Asked, Draw, clear_of_each_other
from .scene import Shot, TownScene, is_held_out_kind, is_held_out_pair
from .visibility import visible_shares

SceneRecipe = Callable[[Draw], TownScene]

SCENE_RECIPES: dict[str, SceneRecipe] = {
    "still": actions.still,
    "fall": actions.fall,
    "bounce": actions.bounce,
    "roll": actions.roll,
    "slide": actions.slide,
    "walk": actions.walk,
    "drive": actions.drive,
    "spin": actions.spin,
    "jump": actions.jump,
    "circle": actions.circle,
    "sway": actions.sway,
    "sequence": actions.sequence,
    "collide": actions.collide,
    "push": actions.push,
    "knock_over": actions.knock_over,
    "stack_fall": actions.stack_fall,
    "hidden": actions.hidden,
    "left": actions.leaves_and_returns,
    "gone": actions.gone,
    "enter": actions.enter,
    "stroke": changes.stroke,
    "tracks": changes.tracks,
    "light": changes.light,
    "lamp": changes.lamp,
    "recolour": changes.recolour,
    "grow": changes.grow,
    "count": crowds.count,
    "relation": crowds.relation,
    "between": crowds.stand_between,
    "crowd": crowds.crowd,
    "pan": shots.pan,
    "zoom": shots.zoom,
    "rise": shots.rise,
    "orbit": shots.orbit,
    "camera": shots.camera,
    "follow": shots.follow,
    "cut_same_thing": shots.cut_same_thing,
    "cut_view": shots.cut_view,
    "storyboard": shots.storyboard,
    "cross_and_recolour": changes.cross_and_recolour,
}
SCENES = tuple(SCENE_RECIPES)
TRIES = 3000
CLEAR = ("relation", "between", "count", "crowd", "cut_view", "circle")
"""Recipes in which every thing must be in view when its shot begins."""


def scene_of(
    kind: str,
    seed: int,
    seconds: float = 2.0,
    held_out: bool = False,
    *,
    thing: str | None = None,
    colour: str | None = None,
    size: str | None = None,
    floor: str | None = None,
    sky: str | None = None,
    camera: str | None = None,
    count: int | None = None,
    relation: str | None = None,
) -> TownScene:
    """A scene of one of SCENES, the same for the same arguments.

    Events happen within `seconds` (0.25 to 60), of which recipes plan the first four; a longer
    render goes on. What is named is fixed: `thing`, `colour` and `size` are those of the subject;
    `count` (2 to 5) is for "count" and `relation` (of RELATIONS) for "relation". Training scenes
    have no held-out combination; with `held_out` the subject has one. Raises ConfigError for an
    unknown word, and if nothing fits what is asked.
    """
    check_choice("scene", kind, SCENES)
    check_range("seconds", seconds, 0.25, 60)
    if count is not None:
        check_range("count", count, 2, 5)
    if relation is not None:
        check_choice("relation", relation, crowds.STANDING_RELATIONS)
    asked = Asked(
        thing=thing,
        colour=colour,
        size=size,
        floor=floor,
        sky=sky,
        camera=camera,
        count=count,
        relation=relation,
    )
    drawn = Draw(Generator(PCG64([seed, SCENES.index(kind)])), seconds, asked)
    for _ in range(TRIES):
        scene = SCENE_RECIPES[kind](drawn)
        if any(not clear_of_each_other(shot.stage.things) for shot in scene.shots):
            continue
        if kind in CLEAR and not all(_is_clear(shot) for shot in scene.shots):
            continue
        if held_out_combinations(scene) if held_out else not held_out_combinations(scene):
            return TownScene(scene.shots, kind, scene.subject)
    which = "held-out" if held_out else "training"
    raise ConfigError(f"no {which} scene {kind!r} has all that is asked: ask for less")


def _is_clear(shot: Shot) -> bool:
    shares = visible_shares(shot, np.zeros(1))
    return bool(shares.min() > 0.4)


def combinations(scene: TownScene) -> list[tuple[str, str, str]]:
    """Kind, colour and motion of everything that the scene shows."""
    return [
        (thing.kind, colour, motion)
        for shot in scene.shots
        for thing in shot.stage.things
        for motion in thing.motions
        for colour in {thing.colour, thing.repaint or thing.colour}
    ]


def pairs(scene: TownScene) -> list[tuple[str, str, str]]:
    """Kinds of two things and what is between them: their contacts, and a recipe's relation."""
    found = [
        (shot.stage.things[c.first].kind, c.verb, shot.stage.things[c.second].kind)
        for shot in scene.shots
        for c in shot.stage.contacts
    ]
    if scene.kind == "relation":
        first, second = scene.shots[0].stage.things[:2]
        found.append((first.kind, crowds.relation_of(first, second), second.kind))
    return found


def held_out_combinations(scene: TownScene) -> list[tuple[str, str, str]]:
    """The combinations and pairs of the scene that no training scene has."""
    return [c for c in combinations(scene) if is_held_out_kind(*c)] + [
        p for p in pairs(scene) if is_held_out_pair(*p)
    ]
