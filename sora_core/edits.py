"""Every edit as a few placements on a canvas.

Each function takes the empty canvas to be painted, of the whole length, and returns it with footage
on it. Seconds count from its start.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor

from .canvas import Box, Canvas, Placement, Source, Span


def image_to_video(canvas: Canvas, image: Source, fit: str = "crop") -> Canvas:
    """A video that begins with `image`."""
    return canvas.place(Placement(source=image, fit=fit))


def key_frames(canvas: Canvas, images: Sequence[tuple[float, Source]], fit: str = "crop") -> Canvas:
    """A video that passes through each image at its second; `canvas.last` is the last moment."""
    return canvas.place(*(Placement(source=image, start=at, fit=fit) for at, image in images))


def extend_forward(canvas: Canvas, clip: Source) -> Canvas:
    """What comes after `clip`, which is at the start."""
    return canvas.place(Placement(source=clip))


def extend_backward(canvas: Canvas, clip: Source, seconds: float) -> Canvas:
    """What came before `clip`, whose first `seconds` are at the end."""
    return canvas.place(_ending(canvas, clip, seconds))


def extend_both(canvas: Canvas, clip: Source, seconds: float) -> Canvas:
    """What came before `clip` and what comes after; its first `seconds` are in the middle."""
    start = (canvas.seconds - seconds) / 2
    return canvas.place(Placement(source=clip, start=start, seconds=seconds))


def connect(
    canvas: Canvas, first: Source, last: Source, first_seconds: float, last_seconds: float
) -> Canvas:
    """What leads from `first`, at the start, to `last`, at the end."""
    beginning = Placement(source=first, seconds=first_seconds)
    return canvas.place(beginning, _ending(canvas, last, last_seconds))


def morph(
    canvas: Canvas, first: Source, last: Source, seconds: float, firmness: float = 0.4
) -> Canvas:
    """`first` turning into `last` over `seconds` in the middle of the canvas.

    Both are kept at their ends; from there each is held less and less, down to `firmness` at the
    middle, where one takes over from the other. Both should last as long as the canvas.
    """
    middle, half = canvas.seconds / 2, seconds / 2
    falling = ((middle - half, 1.0), (middle, firmness))
    rising = ((0.0, firmness), (half, 1.0))
    return canvas.place(
        Placement(source=first, firmness=falling),
        Placement(source=last, start=middle, skip=middle, firmness=rising),
    )


def loop(canvas: Canvas, clip: Source | None = None, firmness: float = 1.0) -> Canvas:
    """A video without ends, free or led through `clip`."""
    endless = replace(canvas, ring=True)
    return endless if clip is None else endless.place(Placement(source=clip, firmness=firmness))


def inpaint(
    canvas: Canvas,
    clip: Source,
    mask: Float[Tensor, "t y x"],
    start: float = 0.0,
    seconds: float | None = None,
) -> Canvas:
    """`clip` with a hole where `mask` is 1, from `start` on for `seconds` or to the end.

    A mask of one picture is a hole that stands still; of more, they count from `start`.
    """
    hole = Placement(source=clip, start=start, skip=start, seconds=seconds, mask=mask)
    parts = [hole]
    if start > 0:
        parts.insert(0, Placement(source=clip, seconds=start))
    if seconds is not None and start + seconds < canvas.seconds:
        parts.append(Placement(source=clip, start=start + seconds, skip=start + seconds))
    return canvas.place(*parts)


def outpaint(canvas: Canvas, clip: Source, region: Box) -> Canvas:
    """`clip` within `region`, and around it what it does not show."""
    return canvas.place(Placement(source=clip, region=region))


def video_to_video(
    canvas: Canvas,
    clip: Source,
    firmness: float,
    mask: Float[Tensor, "t y x"] | None = None,
) -> Canvas:
    """`clip` painted over from a noise level of 1 - `firmness` (SDEdit); anew in `mask`."""
    return canvas.place(Placement(source=clip, firmness=firmness, mask=mask))


def storyboard(canvas: Canvas, prompts: Sequence[tuple[float, str]]) -> Canvas:
    """Each prompt from its second until the next one begins."""
    ends = [*(later for (_, _), (later, _) in pairwise(prompts)), None]
    return canvas.tell(
        *(
            Span(prompt=prompt, start=start, end=end)
            for (start, prompt), end in zip(prompts, ends, strict=True)
        )
    )


def _ending(canvas: Canvas, clip: Source, seconds: float) -> Placement:
    """The first `seconds` of `clip`, as the last ones of the canvas."""
    frames = canvas.size.frames - canvas.frame_at(seconds)
    return Placement(source=clip, start=frames / canvas.fps, seconds=seconds)
