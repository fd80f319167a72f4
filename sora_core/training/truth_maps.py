"""Truth maps: the content of each latent cell of a clip, and a head that predicts it from features.

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
"""Shares of a cell's pixels: on things, just entered or left by things, on borders of things; then
nearness, 1 / (1 + depth); then the shares of floor and of sky."""

THINGS_MAP, MOVING_MAP = MAPS.index("things"), MAPS.index("moving")
HIDDEN = 128  # width of the head
FLAT = 0.02  # lower bound of a map's deviation within a frame


def maps_of(
    segments: UInt8[Tensor, "t y x"], depth: Float[Tensor, "t y x"]
) -> UInt8[Tensor, "f t2 y2 x2"]:
    """The maps of one clip of 1 + 4k frames, for each latent cell, in 255ths.

    `depth` is measured along the camera's axis, and infinite for the sky.
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
    """`maps` standardised within each frame, which retains their layout but not their amount.

    Singh et al. 2025 (iREPA).
    """
    centred = maps - maps.mean((-2, -1), keepdim=True)
    return centred / centred.square().mean((-2, -1), keepdim=True).sqrt().clamp(min=FLAT)


class MapHead(nn.Module):
    """Predicts the maps from each token and its neighbours; for training only.

    Representation alignment (Yu et al. 2024) with a convolution in place of an MLP (Singh et al.
    2025), and with ground truth in place of a teacher.
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
