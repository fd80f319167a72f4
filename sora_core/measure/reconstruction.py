"""How well the autoencoder gives clips back, and how well what moves in them.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from ..models.autoencoder import Autoencoder
from ..shapes import Frames, Size, crop
from ..video.frames import frames_from_video, video_from_frames
from ..world.render import FIRST_THING, render
from ..world.scene import sample_scene
from .report import Figure, decibels

FIRST_SEED = 950_000_000  # seeds that no training has seen, with combinations it never shows


@dataclass(frozen=True, slots=True)
class Pair:
    """A true clip, what the autoencoder makes of it, and which part of the world each pixel is."""

    true: Frames
    made: Frames
    segments: UInt8[Tensor, "t y x"]

    @property
    def error(self) -> float:
        """Mean squared error of all pixels, which run from 0 to 1."""
        return self._squared().mean().item()

    @property
    def object_error(self) -> float | None:
        """The same where an object truly is; None if it is never in view."""
        mask = self.segments >= FIRST_THING
        return self._squared()[mask].mean().item() if mask.any() else None

    def _squared(self) -> Tensor:
        return (self.made.float() - self.true.float()).div(255).square()


@torch.inference_mode()
def through(autoencoder: Autoencoder, frames: Frames) -> Frames:
    """`frames`, whose sides are whole latent cells, encoded and decoded."""
    latent = autoencoder.encode(video_from_frames(frames)[None])
    video = autoencoder.decode(autoencoder.marked(latent, torch.zeros(1, 1, 1, 1, 1)))
    size = Size(frames.shape[2], frames.shape[1], frames.shape[0])
    return frames_from_video(crop(video, size)[0])


def pairs(
    autoencoder: Autoencoder, size: Size, count: int, fps: float = 8.0, first: int = FIRST_SEED
) -> Iterator[Pair]:
    """`count` held-out world clips, before and after."""
    for seed in range(first, first + count):
        clip = render(sample_scene(seed, held_out=True), size, fps)
        yield Pair(clip.frames, through(autoencoder, clip.frames), clip.segments)


def figures(seen: Sequence[Pair], suffix: str = "") -> list[Figure]:
    """Peak signal-to-noise ratios: of everything, and of the moving object by the truth mask."""
    whole = [pair.error for pair in seen]
    objects = [error for pair in seen if (error := pair.object_error) is not None]
    return [
        Figure(f"psnr_db{suffix}", decibels(sum(whole) / len(whole)), "dB"),
        Figure(f"psnr_object_db{suffix}", decibels(sum(objects) / len(objects)), "dB"),
    ]
