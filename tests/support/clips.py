"""Small clips and media files for tests; another seed is other content."""

from pathlib import Path

import torch
from PIL import Image

from sora_core.video.writer import write_video


def random_frames(frames: int, seed: int = 0, width: int = 32, height: int = 32):
    """Random bytes, [t y x 3]; the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, height, width, 3), generator=generator).to(torch.uint8)


def moving_frames(seed: int = 0, frames: int = 17, width: int = 64, height: int = 64):
    """A bright square that crosses a gradient, [t y x 3] in bytes."""
    generator = torch.Generator().manual_seed(seed)
    colours = torch.randint(60, 256, (2, 3), generator=generator)
    ramp = torch.linspace(0.2, 0.7, width)[None, None, :, None]
    video = (ramp * colours[0]).expand(frames, height, width, 3).clone()
    side = max(2, height // 4)
    for t in range(frames):
        left = (seed * 7 + t * 2) % max(1, width - side)
        top = (seed * 13 + t * (seed % 3)) % max(1, height - side)
        video[t, top : top + side, left : left + side] = colours[1].float()
    return video.to(torch.uint8)


def moving_file(path: Path, seed: int = 0, frames: int = 17, fps: float = 8.0, **size) -> Path:
    """The file at `path`, with the video of `moving_frames`."""
    write_video(path, [moving_frames(seed, frames, **size)], fps, crf=10)
    return path


def picture_file(path: Path, seed: int = 0, **size) -> Path:
    Image.fromarray(moving_frames(seed, 1, **size)[0].numpy()).save(path)
    return path


def captioned_clip(folder: Path, name: str, seed: int = 0, caption: str = "a thing moves", **clip):
    """A moving file in `folder` with its caption beside it."""
    path = moving_file(folder / name, seed=seed, **clip)
    path.with_suffix(".txt").write_text(caption)
    return path
