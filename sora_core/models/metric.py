"""Places of tokens in seconds and in units of the smaller side, and the rate and size of a clip.

The same scene at another frame rate, size or shape then has its tokens at the same places, and is
the same scene. `fps` is in frames of video a second, not in latent frames.

Axes: b rows, n tokens in a row, t latent frames, y rows and x columns of tokens, k half of the head
width, f features.
"""

import math

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError
from ..shapes import COMPRESSION, Grid

SLOWEST_FPS, FASTEST_FPS = 1.0, 240.0
USUAL_FPS = 8.0
USUAL_CELLS = 8.0
"""Latent cells of a side, and the rate, whose features are all those of 0."""

FIRST_FRAME = (COMPRESSION.time - 1) / 2
"""A latent frame stands for four frames, and its time is their middle; the first one for one."""

TIME_PERIODS = (*(2 * 256 ** (-i / 7) for i in range(6)), 4.0, 8.0)
SIDES = (*(4 * 256 ** (-i / 11) for i in range(9)), 6.0, 9.0, 14.0)
"""Radians a second and radians a smaller side by which queries and keys are turned (rotary).

The slow ones are, for 64 pixels at 8 frames a second in 2x2 cells, those of the models that count
tokens, so that such a model can be trained on. The last ones tell neighbours at 24 frames a second
and at 128 pixels apart.
"""

FORMAT_FREQUENCIES = 3
FORMAT_FEATURES = 3 * (1 + 2 * FORMAT_FREQUENCIES)


def frame_seconds(
    frames: int, start: float | Float[Tensor, " t"], fps: Float[Tensor, " b"]
) -> Float[Tensor, "b t"]:
    """When each of `frames` latent frames is, in seconds from the first frame of the video.

    `start` is the number of the first of them in the whole video, or what to add to each one's own
    number; it may be negative.
    """
    number = start + torch.arange(frames, device=fps.device, dtype=torch.float32)
    middle = torch.where(number == 0, 0.0, COMPRESSION.time * number - FIRST_FRAME)
    return middle / fps[:, None]


def metric_positions(
    grid: Grid, start: float | Float[Tensor, " t"], fps: Float[Tensor, " b"], patch: int
) -> Float[Tensor, "b n 5"]:
    """Seconds, then row and column in units of the smaller side from the centre of the picture,
    then both in halves of it."""
    rows, columns = grid.rows // patch, grid.columns // patch
    least = min(rows, columns)
    seconds = frame_seconds(grid.frames, start, fps)
    y, x = (
        (torch.arange(side, device=fps.device, dtype=torch.float32) - (side - 1) / 2) / least
        for side in (rows, columns)
    )
    t = repeat(seconds, "b t -> b (t y x)", y=rows, x=columns)
    y = repeat(y, "y -> b (t y x)", b=len(fps), t=grid.frames, x=columns)
    x = repeat(x, "x -> b (t y x)", b=len(fps), t=grid.frames, y=rows)
    return torch.stack([t, y, x, 2 * y, 2 * x], dim=-1)


def metric_angles(places: Float[Tensor, "b n 5"]) -> Float[Tensor, "b 1 n k"]:
    """The angle by which each pair of a token's query and key features is turned."""
    angles = [
        places[..., axis, None] * torch.tensor(frequencies, device=places.device)
        for axis, frequencies in enumerate((TIME_PERIODS, SIDES, SIDES))
    ]
    return torch.cat(angles, dim=-1)[:, None]


def format_features(grid: Grid, fps: Float[Tensor, " b"]) -> Float[Tensor, "b f"]:
    """The rate and the two sides as octaves and as waves over them."""
    rate = (fps / USUAL_FPS).log2()
    rows, columns = (
        torch.full_like(rate, math.log2(side / USUAL_CELLS)) for side in (grid.rows, grid.columns)
    )
    octaves = torch.stack([rate, rows, columns], dim=-1)
    scales = math.pi / 4 * 2.0 ** torch.arange(FORMAT_FREQUENCIES, device=fps.device)
    waves = rearrange(octaves[..., None] * scales, "b a f -> b (a f)")
    return torch.cat([octaves, waves.sin(), waves.cos() - 1], dim=-1)


def rates(fps: float | Float[Tensor, " #b"], batch: int, device: torch.device) -> Tensor:
    """`fps` of each row; ConfigError where a rate is out of range."""
    each = torch.as_tensor(fps, dtype=torch.float32, device=device).reshape(-1).expand(batch)
    if not bool(((each >= SLOWEST_FPS) & (each <= FASTEST_FPS)).all()):
        raise ConfigError(f"frame rate {fps}: choose from {SLOWEST_FPS:g} to {FASTEST_FPS:g} fps")
    return each
