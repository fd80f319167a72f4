"""Reconstruction by the autoencoder: PSNR of whole clips and of moving objects.

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

RECONSTRUCTION_SEED = 950_000_000  # seeds outside all training sets, with held-out combinations


@dataclass(frozen=True, slots=True)
class ReconstructedClip:
    """A true clip, its reconstruction, and the part of the world in each pixel."""

    true: Frames
    reconstructed: Frames
    segments: UInt8[Tensor, "t y x"]

    @property
    def error(self) -> float:
        """The mean squared error of all pixels, in a range of 0 to 1."""
        return self._squared().mean().item()

    @property
    def object_error(self) -> float | None:
        """The mean squared error within the object's true mask; None if it is never in view."""
        mask = self.segments >= FIRST_THING
        return self._squared()[mask].mean().item() if mask.any() else None

    def _squared(self) -> Tensor:
        return (self.reconstructed.float() - self.true.float()).div(255).square()


@torch.inference_mode()
def through(autoencoder: Autoencoder, frames: Frames) -> Frames:
    """`frames` encoded and decoded; their sides must be multiples of a latent cell."""
    latent = autoencoder.encode(video_from_frames(frames)[None])
    video = autoencoder.decode(latent, torch.zeros(1, 1, 1, 1, 1))
    size = Size(frames.shape[2], frames.shape[1], frames.shape[0])
    return frames_from_video(crop(video, size)[0])


def reconstructed_clips(
    autoencoder: Autoencoder,
    size: Size,
    count: int,
    fps: float = 8.0,
    first: int = RECONSTRUCTION_SEED,
) -> Iterator[ReconstructedClip]:
    """`count` held-out world clips with their reconstructions."""
    for seed in range(first, first + count):
        clip = render(sample_scene(seed, held_out=True), size, fps)
        yield ReconstructedClip(clip.frames, through(autoencoder, clip.frames), clip.segments)


def reconstruction_figures(clips: Sequence[ReconstructedClip], suffix: str = "") -> list[Figure]:
    """PSNR of all pixels, and of the moving objects by their true masks, in dB."""
    whole = [pair.error for pair in clips]
    objects = [error for pair in clips if (error := pair.object_error) is not None]
    return [
        Figure(f"psnr_db{suffix}", decibels(sum(whole) / len(whole)), "dB"),
        Figure(f"psnr_object_db{suffix}", decibels(sum(objects) / len(objects)), "dB"),
    ]
