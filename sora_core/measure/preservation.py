"""How well placed footage is preserved in a finished video. Axes: t frames, y rows, x columns."""

from collections.abc import Callable, Collection, Iterable, Iterator

import torch

from ..canvas.canvas import Canvas, Placement
from ..canvas.rasterize import Fitting, first_frame, placed_frames
from ..shapes import Frames
from ..video.frames import frames_from_video, resize
from .report import decibels


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
