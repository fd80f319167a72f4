"""Clips to write and read. Axes: t frames, y rows, x columns."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sora_core.shapes import Frames
from sora_core.video.reader import read_frames

Clip = Callable[[int, int, int], Frames]


@pytest.fixture
def noise() -> Clip:
    """Random bytes, which only a lossless codec preserves."""
    random = torch.Generator().manual_seed(0)

    def make(frames: int, height: int, width: int) -> Frames:
        shape = (frames, height, width, 3)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)

    return make


@pytest.fixture
def smooth() -> Clip:
    """Slow waves of colour that move, which every codec preserves well."""

    def make(frames: int, height: int, width: int) -> Frames:
        t = torch.arange(frames)[:, None, None] / 10
        y = torch.linspace(0, 3, height)[None, :, None]
        x = torch.linspace(0, 3, width)[None, None, :]
        waves = [torch.sin(x + t) + 0 * y, torch.cos(y - t) + 0 * x, torch.sin(x * y + t)]
        return (torch.stack(waves, dim=-1) * 100 + 128).to(torch.uint8)

    return make


@pytest.fixture
def numbered() -> Clip:
    """Frames of one grey each, frame i darker or lighter than i - 1 by at least 5 levels."""

    def make(frames: int, height: int, width: int) -> Frames:
        grey = (torch.arange(frames) * 7 % 256).to(torch.uint8)
        return grey[:, None, None, None].expand(frames, height, width, 3)

    return make


@pytest.fixture
def read() -> Callable[..., Frames]:
    """All frames that `read_frames` gives, as one tensor."""

    def whole(path: Path, **options: object) -> Frames:
        return torch.cat(list(read_frames(path, **options)))

    return whole
