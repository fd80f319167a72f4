"""Contact sheets of the town: every recipe, and every thing."""

from os import PathLike

from ...shapes import Size
from ..sheet import contact_sheet
from .captions import describe_town
from .recipes import SCENES, scene_of
from .render import render_town
from .scene import KINDS, TOWN_FLOORS, TOWN_SKIES, Move, Shot, Stage, TownScene, TownThing


def recipe_sheet(
    path: str | PathLike[str], seed: int, size: Size, fps: float, scale: int, across: int
) -> None:
    """Writes one captioned clip of every recipe, drawn for the clip's length."""
    seconds = size.frames / fps
    scenes = [scene_of(kind, seed, max(seconds, 0.25)) for kind in SCENES]
    clips = [render_town(scene, size, fps).frames for scene in scenes]
    texts = [
        f"{scene.kind}: {describe_town(scene, seed + i, seconds if size.frames > 1 else 0.0).text}"
        for i, scene in enumerate(scenes)
    ]
    contact_sheet(clips, texts, path, scale=scale, across=across)


def thing_sheet(path: str | PathLike[str], size: Size, scale: int, across: int) -> None:
    """Writes every kind of thing turning once, over all floors and skies."""
    clips = []
    for i, kind in enumerate(KINDS):
        colour = ("red", "blue", "yellow", "green", "white", "pink", "turquoise")[i % 7]
        thing = TownThing(kind, colour, moves=(Move("spin", amount=1.0),))
        floor, sky = TOWN_FLOORS[i % len(TOWN_FLOORS)], TOWN_SKIES[i % len(TOWN_SKIES)]
        clips.append(
            render_town(TownScene((Shot(Stage((thing,), floor=floor, sky=sky)),)), size, 1.0).frames
        )
    contact_sheet(clips, list(KINDS), path, scale=scale, across=across)
