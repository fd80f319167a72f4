"""How well footage was kept: a finished video next to what its canvas holds.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Callable, Collection, Iterable, Iterator

import torch

from ..canvas import Canvas, Placement
from ..footage import Fitting, first_frame, pictures
from ..shapes import Frames
from ..video.frames import frames_from_video, resize
from .report import decibels


def placed_psnr(
    canvas: Canvas, video: Callable[[], Iterable[Frames]], kept: Collection[int]
) -> float | None:
    """The signal-to-noise ratio in dB of the frames `kept`; None where nothing was.

    `video` gives the finished frames from the first on, as often as it is asked. Footage that is
    painted over, masked or given as a latent is left out; so is what lies beside it.
    """
    error, count = 0.0, 0
    for placement in canvas.placements:
        if placement.is_latent or placement.mask is not None or placement.curve[0][1] < 1:
            continue
        first = first_frame(canvas, placement)
        for t, (true, made, inside) in enumerate(_pairs(canvas, placement, video(), first), first):
            if t % canvas.size.frames in kept:
                squared = (made.float() - true.float()).div(255).square().mean(-1)
                error += (squared * inside).sum().item()
                count += int(inside.sum())
    return decibels(error / count) if count else None


def _pairs(
    canvas: Canvas, placement: Placement, video: Iterable[Frames], first: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Each placed frame as it is fitted, what came of it, and which of its pixels were placed."""
    made = _singly(video)
    for _ in range(first):
        next(made, None)
    fitting, sides = None, (canvas.height, canvas.width)
    for true in _singly(pictures(canvas, placement)):
        frame = next(made, None)
        if frame is None:
            return
        if fitting is None:
            fitting = Fitting.of(canvas, placement, (true.shape[1], true.shape[2]), sides)
        inside = 1 - fitting.openness(None)[0]
        fitted = frames_from_video(fitting.video(true)[0])
        yield fitted[0], resize(frame, canvas.width, canvas.height)[0], inside


def _singly(chunks: Iterable[Frames]) -> Iterator[Frames]:
    for chunk in chunks:
        yield from chunk.split(1)
