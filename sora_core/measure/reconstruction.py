"""How well the autoencoder gives clips back, and how well what moves in them.

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

RECONSTRUCTION_SEED = (
    950_000_000  # seeds that no training has seen, with combinations it never shows
)


@dataclass(frozen=True, slots=True)
class ReconstructedClip:
    """A true clip, what the autoencoder makes of it, and which part of the world each pixel is."""

    true: Frames
    reconstructed: Frames
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
        return (self.reconstructed.float() - self.true.float()).div(255).square()


@torch.inference_mode()
def through(autoencoder: Autoencoder, frames: Frames) -> Frames:
    """`frames`, whose sides are whole latent cells, encoded and decoded."""
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
    """`count` held-out world clips, before and after."""
    for seed in range(first, first + count):
        clip = render(sample_scene(seed, held_out=True), size, fps)
        yield ReconstructedClip(clip.frames, through(autoencoder, clip.frames), clip.segments)


def reconstruction_figures(clips: Sequence[ReconstructedClip], suffix: str = "") -> list[Figure]:
    """Peak signal-to-noise ratios: of everything, and of the moving object by the truth mask."""
    whole = [pair.error for pair in clips]
    objects = [error for pair in clips if (error := pair.object_error) is not None]
    return [
        Figure(f"psnr_db{suffix}", decibels(sum(whole) / len(whole)), "dB"),
        Figure(f"psnr_object_db{suffix}", decibels(sum(objects) / len(objects)), "dB"),
    ]


def placed_psnr(
    canvas: Canvas, video: Callable[[], Iterable[Frames]], known_frames: Collection[int]
) -> float | None:
    """The signal-to-noise ratio in dB of the frames `known_frames`; None where nothing was.

    `video` gives the finished frames from the first on, as often as it is asked. Footage that is
    painted over, masked or given as a latent is left out; so is what lies beside it.
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
    """Each placed frame as it is fitted, what came of it, and which of its pixels were placed."""
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
