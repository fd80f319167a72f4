"""Held-out world clips to edit, and what is asked of them. Axes: t frames, y rows, x columns."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from ..canvas.canvas import Canvas
from ..shapes import Frames, Size
from ..world.captions import describe
from ..world.render import render
from ..world.scene import COLOURS, Scene, sample_scene

HELDOUT_SEED = 980_000_000  # of clips that nothing was trained or tuned on
TUNING_SEED = 985_000_000  # of others, to find a setting with
CLIP_FPS = 8.0
CLIP_SIZE = Size(64, 64, 17)


@dataclass(frozen=True, slots=True)
class HeldOutClip:
    """A scene as it truly is, in as many frames as asked."""

    seed: int
    scene: Scene
    frames: Frames

    @property
    def caption(self) -> str:
        """All there is to see, in words."""
        return describe(self.scene, self.seed).long

    @property
    def other_colour(self) -> str:
        """A colour that the object does not have, and that is seen on this floor."""
        own = COLOURS.index(self.scene.things[0].colour)
        colours = COLOURS[own + 1 :] + COLOURS[:own]
        usable = [c for c in colours if not (c == "white" and self.scene.floor == "snow")]
        return usable[self.seed % len(usable)]

    @property
    def recoloured_caption(self) -> str:
        """The caption with another colour, and not a word else."""
        main, *others = self.scene.things
        things = (replace(main, colour=self.other_colour), *others)
        return describe(replace(self.scene, things=things), self.seed).long


def heldout_clips(
    count: int, first: int = HELDOUT_SEED, size: Size = CLIP_SIZE
) -> Iterator[HeldOutClip]:
    """`count` scenes with a held-out combination of shape, colour and motion."""
    for seed in range(first, first + count):
        scene = sample_scene(seed, held_out=True)
        yield HeldOutClip(seed, scene, render(scene, size, CLIP_FPS).frames)


def empty_canvas(size: Size = CLIP_SIZE) -> Canvas:
    """The canvas that comes out as exactly `size`."""
    return Canvas(
        width=size.width, height=size.height, seconds=size.frames / CLIP_FPS, fps=CLIP_FPS
    )


def to_and_fro(frames: Frames, count: int) -> Frames:
    """`count` frames made of fewer by playing them forward and back: as long as a reader needs."""
    cycle = torch.cat([frames, frames.flip(0)[1:-1]])
    return cycle[torch.arange(count) % len(cycle)]
