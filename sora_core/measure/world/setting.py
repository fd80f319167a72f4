"""Setting: the floor and the sky of a clip, by its nearest neighbour among true scenes.

Axes: t frames, y rows, x columns. No network: the features are mean and spread of colour below and
above the horizon. Their accuracy is the row of true clips.
"""

from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from ...shapes import Frames, Size
from .worlds import RulerWorld

EXAMPLES = 4  # true scenes of each floor under each sky
STILL_SIZE = Size(64, 64, 1)
SKY_ROWS, FLOOR_ROWS = 0.25, 0.6  # the sky above this share of the height, the floor below that


@dataclass(frozen=True, slots=True)
class Settings:
    """Examples of every setting: their features, floors and skies."""

    looks: Float[Tensor, "n f"]
    names: tuple[tuple[str, str], ...]

    def read(self, frames: Frames) -> tuple[str, str]:
        """The floor and the sky of the example nearest to `frames`."""
        apart = (self.looks - floor_and_sky(frames)).abs().sum(1)
        return self.names[int(apart.argmin())]


def settings_of(world: RulerWorld) -> Settings:
    """Examples of each floor under each sky of `world`."""
    looks, names = [], []
    for floor, sky in product(world.floors, world.skies):
        for number in range(EXAMPLES):
            scene = world.changed(world.scene("still", 50_000 + number), floor=floor, sky=sky)
            looks.append(floor_and_sky(world.render(scene, STILL_SIZE).frames))
            names.append((floor, sky))
    return Settings(torch.stack(looks), tuple(names))


def floor_and_sky(frames: Frames) -> Float[Tensor, "f"]:
    """The colours of the sky and the floor of a clip: middle, low and high of each channel."""
    height = frames.shape[1]
    above = frames[:, : int(SKY_ROWS * height)]
    below = frames[:, int(FLOOR_ROWS * height) :]
    shares = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])
    values = [torch.quantile(_thin(part), shares, dim=0).flatten() for part in (above, below)]
    return torch.cat(values)


def _thin(part: Tensor) -> Float[Tensor, "n 3"]:
    """At most 20,000 of the pixels of `part`, evenly."""
    pixels = part.float().reshape(-1, 3)
    return pixels[:: max(1, len(pixels) // 20_000)]
