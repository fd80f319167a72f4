"""Contact sheets of the town: every recipe, and every thing."""

from os import PathLike

from ...shapes import Size
from ..sheet import contact_sheet
from .captions import describe
from .recipes import SCENES, scene_of
from .render import render
from .scene import FLOORS, KINDS, SKIES, Move, Scene, Shot, Stage, Thing


def recipe_sheet(
    path: str | PathLike[str], seed: int, size: Size, fps: float, scale: int, across: int
) -> None:
    """Writes one captioned clip of every recipe, drawn for the clip's length."""
    seconds = size.frames / fps
    scenes = [scene_of(kind, seed, max(seconds, 0.25)) for kind in SCENES]
    clips = [render(scene, size, fps).frames for scene in scenes]
    texts = [
        f"{scene.kind}: {describe(scene, seed + i, seconds if size.frames > 1 else 0.0).text}"
        for i, scene in enumerate(scenes)
    ]
    contact_sheet(clips, texts, path, scale=scale, across=across)


def thing_sheet(path: str | PathLike[str], size: Size, scale: int, across: int) -> None:
    """Writes every kind of thing turning once, over all floors and skies."""
    clips = []
    for i, kind in enumerate(KINDS):
        colour = ("red", "blue", "yellow", "green", "white", "pink", "turquoise")[i % 7]
        thing = Thing(kind, colour, moves=(Move("spin", amount=1.0),))
        floor, sky = FLOORS[i % len(FLOORS)], SKIES[i % len(SKIES)]
        clips.append(
            render(Scene((Shot(Stage((thing,), floor=floor, sky=sky)),)), size, 1.0).frames
        )
    contact_sheet(clips, list(KINDS), path, scale=scale, across=across)
