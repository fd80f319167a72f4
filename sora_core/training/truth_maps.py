"""What each latent cell of a clip shows, as maps, and the head that reads them off the features.

Axes: n clips, b batch, f maps, t latent frames, y rows, x columns (of pixels, cells or tokens, as
stated), d width.
"""

import torch
from einops import rearrange, reduce
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ..models.patchify import patchify
from ..shapes import COMPRESSION, Grid
from ..world.render import FIRST_THING

MAPS = ("things", "moving", "edge", "near", "floor", "sky")
"""Shares of a cell's pixels that show a thing, that a thing has just left or entered, where a thing
borders on something else; how near the cell is, as 1 / (1 + depth); shares of floor and of sky."""

THINGS_MAP, MOVING_MAP = MAPS.index("things"), MAPS.index("moving")
HIDDEN = 128  # width of the head
FLAT = 0.02  # deviation of a map within a frame below which it counts as constant


def maps_of(
    segments: UInt8[Tensor, "t y x"], depth: Float[Tensor, "t y x"]
) -> UInt8[Tensor, "f t2 y2 x2"]:
    """The maps of one clip of 1 + 4k frames, for each latent cell, in 255ths.

    Depth is along the camera's axis and infinite for the sky.
    """
    things = segments >= FIRST_THING
    before = torch.cat([segments[:1], segments[:-1]])
    moving = (segments != before) & (things | (before >= FIRST_THING))
    edge = torch.zeros_like(things)
    for axis in (1, 2):
        size = segments.shape[axis] - 1
        here, next_ = segments.narrow(axis, 0, size), segments.narrow(axis, 1, size)
        border = (here != next_) & ((here >= FIRST_THING) | (next_ >= FIRST_THING))
        edge.narrow(axis, 0, size).logical_or_(border)
        edge.narrow(axis, 1, size).logical_or_(border)
    pixels = torch.stack(
        [
            things.float(),
            moving.float(),
            edge.float(),
            1 / (1 + depth.clamp(min=0)),
            (segments == 0).float(),
            (segments == 1).float(),
        ]
    )
    time, rows, columns = COMPRESSION.time, COMPRESSION.rows, COMPRESSION.columns
    first = pixels[:, :1].expand(-1, time - 1, -1, -1)
    cells = reduce(
        torch.cat([first, pixels], dim=1),
        "f (t i) (y j) (x k) -> f t y x",
        "mean",
        i=time,
        j=rows,
        k=columns,
    )
    return (cells * 255).round().to(torch.uint8)


def normalised(maps: Float[Tensor, "b f t y x"]) -> Float[Tensor, "b f t y x"]:
    """`maps` with the mean of each frame taken off, over their deviation within the frame: how a
    map is laid out, and not how much of it there is. Singh et al. 2025 (iREPA)."""
    centred = maps - maps.mean((-2, -1), keepdim=True)
    return centred / centred.square().mean((-2, -1), keepdim=True).sqrt().clamp(min=FLAT)


class MapHead(nn.Module):
    """Reads the maps off each token and its neighbours; only for training.

    As representation alignment (Yu et al. 2024) with a convolution in place of an MLP (Singh et al.
    2025); the world is the teacher.
    """

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.norm = nn.LayerNorm(width)
        self.proj_in = nn.Linear(width, HIDDEN)
        self.around = nn.Conv2d(HIDDEN, HIDDEN, 3, padding=1)
        self.proj_out = nn.Linear(HIDDEN, len(MAPS) * patch**2)

    def forward(
        self, features: Float[Tensor, "b n d"], maps: Float[Tensor, "b f t y x"]
    ) -> Float[Tensor, ""]:
        """The mean squared error of the normalised maps."""
        grid = Grid(*maps.shape[2:])
        rows, columns = grid.rows // self.patch, grid.columns // self.patch
        x = self.proj_in(self.norm(features))
        x = rearrange(x, "b (t y x) d -> (b t) d y x", y=rows, x=columns)
        x = nn.functional.silu(self.around(x))
        x = rearrange(x, "(b t) d y x -> b (t y x) d", b=len(maps))
        wanted = patchify(normalised(maps), self.patch)
        return (self.proj_out(x).float() - wanted).square().mean()
