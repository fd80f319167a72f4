"""Drawn clips for the small learner: one subject that moves over a shaded ground.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

FRAMES = 8
SQUARE, WIDE, TALL = (24, 24), (12, 48), (48, 12)  # rows, columns: one area
FORMATS = (SQUARE, WIDE, TALL)
COLOURS = {"red": (1.0, -0.6, -0.6), "green": (-0.6, 1.0, -0.6), "blue": (-0.6, -0.4, 1.0)}
FIGURES = ("square", "disc")
PROMPTS = tuple(f"a {colour} {figure}" for colour in COLOURS for figure in FIGURES)
RADIUS = 4.0  # pixels, in a frame of SQUARE's area
GROUND = 0.35  # most of the brightness of the ground, in [-1, 1] around 0
Clip = Float[Tensor, "3 t y x"]


@dataclass(frozen=True, slots=True)
class DrawnClip:
    """A clip in [-1, 1] and the number of its prompt in PROMPTS."""

    video: Clip
    prompt: int


def draw_clip(seed: int, size: tuple[int, int], zoom: float = 1.0) -> DrawnClip:
    """The clip `seed` of `size` (rows, columns); its subject stays whole within the frame.

    Seeds that are equal modulo len(PROMPTS) have one prompt. `zoom` enlarges everything.
    """
    generator = Generator().manual_seed(1_000_003 * seed + 17)
    prompt = seed % len(PROMPTS)
    rows, columns = size
    radius = RADIUS * zoom * (0.8 + 0.4 * float(torch.rand((), generator=generator)))
    margin = radius + 1
    bounds = torch.tensor([rows - 2 * margin, columns - 2 * margin]).clamp(min=0)
    start, end = torch.rand(2, 2, generator=generator) * bounds + margin
    share = torch.linspace(0, 1, FRAMES)[:, None]
    centre = start + (end - start) * share
    y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
    apart = torch.stack([y, x]) - centre[:, :, None, None]
    far = apart.abs().amax(1) if prompt % len(FIGURES) == 0 else apart.square().sum(1).sqrt()
    cover = (radius - far + 0.5).clamp(0, 1)[None]
    tilt = 2 * torch.rand(3, 2, generator=generator) - 1
    ground = tilt[:, :1, None] * (y / rows - 0.5) + tilt[:, 1:, None] * (x / columns - 0.5)
    ink = torch.tensor(list(COLOURS.values())[prompt // len(FIGURES)]).view(3, 1, 1, 1)
    video = (GROUND * ground[:, None]).expand(3, FRAMES, rows, columns)
    return DrawnClip(video.lerp(ink.expand_as(video), cover), prompt)


def square_crop(seed: int, size: tuple[int, int]) -> DrawnClip:
    """The middle square of the clip that `size` would have at the resolution of its short side.

    As `draw_clip` it has the area of SQUARE: the clip is enlarged until its short side is SQUARE's,
    and what the long side has beyond that is cut off.
    """
    side = SQUARE[0]
    zoom = side / min(size)
    clip = draw_clip(seed, (round(size[0] * zoom), round(size[1] * zoom)), zoom)
    top, left = ((length - side) // 2 for length in clip.video.shape[2:])
    return DrawnClip(clip.video[:, :, top : top + side, left : left + side], clip.prompt)


def subject_pixels(video: Clip) -> Bool[Tensor, "t y x"]:
    """Where a subject of any colour is: one channel is far above another."""
    return video.amax(0) - video.amin(0) > 1.0


def whole_subject(video: Clip, smallest: float) -> bool:
    """Whether every second frame or more has a subject that is not cut by the border.

    `smallest` is the least area of a subject in pixels.
    """
    found = subject_pixels(video)
    area = found.flatten(1).sum(1)
    sides = (found[:, 0], found[:, -1], found[:, :, 0], found[:, :, -1])
    cut = torch.stack([side.sum(1) for side in sides]).amax(0)
    whole = (area >= smallest) & (cut <= 1)
    return float(whole.float().mean()) >= 0.5


def batch_of(clips: Sequence[DrawnClip]) -> tuple[Float[Tensor, "b 3 t y x"], Tensor]:
    """The videos of clips of one size, and their prompts."""
    prompts = torch.tensor([clip.prompt for clip in clips])
    return torch.stack([clip.video for clip in clips]), prompts
