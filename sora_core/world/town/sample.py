"""Scenes of any kind, and the sizes and rates that training draws them at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import PCG64, Generator

from ...errors import ConfigError
from ...shapes import Size
from .recipes import SCENES, scene_of
from .scene import TownScene

WEIGHTS = {
    "still": 2.0,
    "fall": 1.5,
    "bounce": 2.5,
    "roll": 2.5,
    "walk": 2.5,
    "drive": 2.0,
    "relation": 3.5,
    "count": 2.5,
    "crowd": 2.5,
    "sequence": 2.0,
    "cut_same_thing": 1.6,
    "cut_view": 1.2,
    "storyboard": 1.6,
    "sway": 0.5,
    "stroke": 1.5,
    "cross_and_recolour": 1.2,
    "light": 1.5,
    "pan": 0.9,
    "zoom": 0.9,
    "rise": 0.9,
    "orbit": 1.5,
}
LEAST_SECONDS = {"left": 1.5, "storyboard": 1.0, "cut_same_thing": 0.9, "cut_view": 0.9}
LEAST_SECONDS |= {"sequence": 0.9, "hidden": 0.9, "gone": 0.9, "enter": 0.9, "knock_over": 0.7}
RATES, RATE_WEIGHTS = (8.0, 12.0, 16.0, 24.0), (0.4, 0.2, 0.2, 0.2)
FRAMES, FRAME_WEIGHTS = (1, 9, 17, 33, 49, 65, 129), (0.1, 0.1, 0.45, 0.2, 0.07, 0.06, 0.02)
FRAME_SHAPES = ((64, 64), (80, 64), (64, 80), (96, 64), (64, 96), (112, 64), (64, 112), (96, 96))
SHAPE_WEIGHTS = (0.3, 0.1, 0.1, 0.12, 0.1, 0.1, 0.08, 0.1)


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """One clip of the training set: what is drawn, how large, how long and at which rate."""

    scene: TownScene
    size: Size
    fps: float
    seed: int

    @property
    def seconds(self) -> float:
        """0 for a single frame."""
        return self.size.frames / self.fps if self.size.frames > 1 else 0.0


def sample_town(seed: int, seconds: float = 2.0, held_out: bool = False) -> TownScene:
    """The scene of `seed`, of any kind that fits into `seconds`."""
    rng = Generator(PCG64([seed, 3]))
    kinds = [kind for kind in SCENES if LEAST_SECONDS.get(kind, 0.0) <= seconds]
    weights = np.array([WEIGHTS.get(kind, 1.0) for kind in kinds])
    kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    return scene_of(kind, seed, max(seconds, 0.25), held_out)


def sample_clip_spec(
    seed: int, held_out: bool = False, sizes: Sequence[Size] | None = None
) -> ClipSpec:
    """The clip of `seed`: a scene that fits its length, a size and a rate.

    With `sizes` one of them is drawn, else 1 to 129 frames and shapes from 9:16 to 16:9 whose
    smaller side is 64 or 96. Raises ConfigError if `sizes` is empty.
    """
    rng = Generator(PCG64([seed, 4]))
    fps = RATES[int(rng.choice(len(RATES), p=RATE_WEIGHTS))]
    if sizes is not None:
        if not sizes:
            raise ConfigError("no sizes: name at least one")
        size = sizes[int(rng.integers(len(sizes)))]
    else:
        width, height = FRAME_SHAPES[int(rng.choice(len(FRAME_SHAPES), p=SHAPE_WEIGHTS))]
        frames = FRAMES[int(rng.choice(len(FRAMES), p=FRAME_WEIGHTS))]
        size = Size(width, height, frames)
    seconds = size.frames / fps if size.frames > 1 else 0.25
    return ClipSpec(sample_town(seed, seconds, held_out), size, fps, seed)
