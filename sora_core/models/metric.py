"""Metric positions of tokens, in seconds and smaller sides, and features of a clip's rate and size.

The tokens of a scene have the same positions at any frame rate, size and aspect ratio. `fps` counts
frames of video per second, not latent frames.

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

MIN_FPS, MAX_MODEL_FPS = 1.0, 240.0
USUAL_FPS = 8.0
USUAL_CELLS = 8.0
"""Frame rate, and latent cells of a side, for which `format_features` is 0."""

FIRST_FRAME = (COMPRESSION.time - 1) / 2
"""Offset in frames: a latent frame's time is the middle of its four frames; the first has one."""

TIME_FREQUENCIES = (*(2 * 256 ** (-i / 7) for i in range(6)), 4.0, 8.0)
SIDE_FREQUENCIES = (*(4 * 256 ** (-i / 11) for i in range(9)), 6.0, 9.0, 14.0)
"""Rotary frequencies, in radians per second and per smaller side.

The lower ones equal those of models with positions in tokens, for 64 pixels at 8 fps in 2x2 cells,
so that training can start from such a model. The last ones separate neighbouring tokens at 24 fps
and at 128 pixels.
"""

FORMAT_FREQUENCIES = 3
FORMAT_FEATURES = 3 * (1 + 2 * FORMAT_FREQUENCIES)


def frame_seconds(
    frames: int, start: float | Float[Tensor, " t"], fps: Float[Tensor, " b"]
) -> Float[Tensor, "b t"]:
    """The time of each latent frame in seconds from the first frame of the video.

    `start` is the index of the first of them in the whole video, or an offset for each; it may be
    negative.
    """
    number = start + torch.arange(frames, device=fps.device, dtype=torch.float32)
    middle = torch.where(number == 0, 0.0, COMPRESSION.time * number - FIRST_FRAME)
    return middle / fps[:, None]


def metric_positions(
    grid: Grid, start: float | Float[Tensor, " t"], fps: Float[Tensor, " b"], patch: int
) -> Float[Tensor, "b n 5"]:
    """For each token: seconds, row and column from the centre in smaller sides, and twice both."""
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
    """The rotary angle of each feature pair of a token's query and key."""
    angles = [
        places[..., axis, None] * torch.tensor(frequencies, device=places.device)
        for axis, frequencies in enumerate((TIME_FREQUENCIES, SIDE_FREQUENCIES, SIDE_FREQUENCIES))
    ]
    return torch.cat(angles, dim=-1)[:, None]


def format_features(grid: Grid, fps: Float[Tensor, " b"]) -> Float[Tensor, "b f"]:
    """Features of the frame rate and both sides: octaves from the usual ones, and their waves."""
    rate = (fps / USUAL_FPS).log2()
    rows, columns = (
        torch.full_like(rate, math.log2(side / USUAL_CELLS)) for side in (grid.rows, grid.columns)
    )
    octaves = torch.stack([rate, rows, columns], dim=-1)
    scales = math.pi / 4 * 2.0 ** torch.arange(FORMAT_FREQUENCIES, device=fps.device)
    waves = rearrange(octaves[..., None] * scales, "b a f -> b (a f)")
    return torch.cat([octaves, waves.sin(), waves.cos() - 1], dim=-1)


def rates(fps: float | Float[Tensor, " #b"], batch: int, device: torch.device) -> Tensor:
    """The frame rate of each of `batch` rows; ConfigError outside 1 to 240 fps."""
    each = torch.as_tensor(fps, dtype=torch.float32, device=device).reshape(-1).expand(batch)
    if not bool(((each >= MIN_FPS) & (each <= MAX_MODEL_FPS)).all()):
        raise ConfigError(f"frame rate {fps}: choose from {MIN_FPS:g} to {MAX_MODEL_FPS:g} fps")
    return each
