"""Reconstruction by the autoencoder: PSNR of whole clips, of moving objects and of placed footage.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from ..canvas.canvas import Canvas, Placement
from ..canvas.rasterize import Fitting, first_frame, placed_frames
from ..models.autoencoder import Autoencoder
from ..shapes import Frames, Size, crop
from ..video.frames import frames_from_video, resize, video_from_frames
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


def placed_psnr(
    canvas: Canvas, video: Callable[[], Iterable[Frames]], known_frames: Collection[int]
) -> float | None:
    """The PSNR in dB of placed footage in the frames `known_frames`; None if there is none.

    Each call of `video` returns the finished frames from the first on. Only pixels that footage
    covers count. Footage with a firmness below 1, with a mask, or placed as a latent is left out.
    """
    error, count = 0.0, 0
    for placement in canvas.placements:
        if placement.is_latent or placement.mask is not None or placement.curve[0][1] < 1:
            continue
        first = first_frame(canvas, placement)
        for t, (true, result, inside) in enumerate(
            _pairs(canvas, placement, video(), first), first
        ):
            if t % canvas.size.frames in known_frames:
                squared = (result.float() - true.float()).div(255).square().mean(-1)
                error += (squared * inside).sum().item()
                count += int(inside.sum())
    return decibels(error / count) if count else None


def _pairs(
    canvas: Canvas, placement: Placement, video: Iterable[Frames], first: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """For each placed frame: the fitted footage, the result, and a mask of the footage's pixels."""
    frames_of_result = _singly(video)
    for _ in range(first):
        next(frames_of_result, None)
    fitting, sides = None, (canvas.height, canvas.width)
    for true in _singly(placed_frames(canvas, placement)):
        frame = next(frames_of_result, None)
        if frame is None:
            return
        if fitting is None:
            fitting = Fitting.of_placement(canvas, placement, (true.shape[1], true.shape[2]), sides)
        inside = 1 - fitting.openness(None)[0]
        fitted = frames_from_video(fitting.video(true)[0])
        yield fitted[0], resize(frame, canvas.width, canvas.height)[0], inside


def _singly(chunks: Iterable[Frames]) -> Iterator[Frames]:
    for chunk in chunks:
        yield from chunk.split(1)
