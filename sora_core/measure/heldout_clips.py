"""Held-out world clips for edits, and their captions. Axes: t frames, y rows, x columns."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from ..canvas.canvas import Canvas
from ..shapes import Frames, Size
from ..world.captions import describe
from ..world.render import render
from ..world.scene import COLOURS, Scene, sample_scene

HELDOUT_SEED = 980_000_000  # clips for measurement: no training and no tuning uses them
TUNING_SEED = 985_000_000  # clips for tuning a setting
CLIP_FPS = 8.0
CLIP_SIZE = Size(64, 64, 17)


@dataclass(frozen=True, slots=True)
class HeldOutClip:
    """A scene of the world and its rendered frames."""

    seed: int
    scene: Scene
    frames: Frames

    @property
    def caption(self) -> str:
        """The long caption of the scene."""
        return describe(self.scene, self.seed).long

    @property
    def other_colour(self) -> str:
        """A colour that differs from the object's own and is visible on this floor."""
        own = COLOURS.index(self.scene.things[0].colour)
        colours = COLOURS[own + 1 :] + COLOURS[:own]
        usable = [c for c in colours if not (c == "white" and self.scene.floor == "snow")]
        return usable[self.seed % len(usable)]

    @property
    def recoloured_caption(self) -> str:
        """The long caption with `other_colour` for the object, otherwise unchanged."""
        main, *others = self.scene.things
        things = (replace(main, colour=self.other_colour), *others)
        return describe(replace(self.scene, things=things), self.seed).long


def heldout_clips(
    count: int, first: int = HELDOUT_SEED, size: Size = CLIP_SIZE
) -> Iterator[HeldOutClip]:
    """`count` clips whose combination of shape, colour and motion no training contains."""
    for seed in range(first, first + count):
        scene = sample_scene(seed, held_out=True)
        yield HeldOutClip(seed, scene, render(scene, size, CLIP_FPS).frames)


def empty_canvas(size: Size = CLIP_SIZE) -> Canvas:
    """The empty canvas whose video has exactly `size`, at 8 fps."""
    return Canvas(
        width=size.width, height=size.height, seconds=size.frames / CLIP_FPS, fps=CLIP_FPS
    )


def to_and_fro(frames: Frames, count: int) -> Frames:
    """`count` frames from fewer by playing them forward and back, to the classifier's length."""
    cycle = torch.cat([frames, frames.flip(0)[1:-1]])
    return cycle[torch.arange(count) % len(cycle)]
