"""Every edit as a few placements on a canvas.

Each function takes the empty canvas to be painted, of the whole length, and returns it with footage
on it. Seconds count from its start.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from .canvas import Box, Canvas, Placement, PromptSpan, Source

ClipSource = Source | Placement
"""Footage; as a placement where more than its source is to be said, such as its rate or speed."""


def as_placement(clip: ClipSource) -> Placement:
    """`clip` as it would be placed on its own."""
    return clip if isinstance(clip, Placement) else Placement(source=clip)


def image_to_video(canvas: Canvas, image: ClipSource, fit: str = "crop") -> Canvas:
    """A video that begins with `image`."""
    return canvas.place(replace(as_placement(image), fit=fit))


def key_frames(
    canvas: Canvas, images: Sequence[tuple[float, ClipSource]], fit: str = "crop"
) -> Canvas:
    """A video that passes through each image at its second; `canvas.last` is the last moment."""
    return canvas.place(*(replace(as_placement(image), start=at, fit=fit) for at, image in images))


def extend_forward(canvas: Canvas, clip: ClipSource) -> Canvas:
    """What comes after `clip`, which is at the start."""
    return canvas.place(as_placement(clip))


def extend_backward(canvas: Canvas, clip: ClipSource, seconds: float) -> Canvas:
    """What came before `clip`, whose first `seconds` are at the end."""
    return canvas.place(_ending(canvas, clip, seconds))


def extend_both(canvas: Canvas, clip: ClipSource, seconds: float) -> Canvas:
    """What came before `clip` and what comes after; its first `seconds` are in the middle."""
    start = (canvas.seconds - seconds) / 2
    return canvas.place(replace(as_placement(clip), start=start, seconds=seconds))


def connect(
    canvas: Canvas, first: ClipSource, last: ClipSource, first_seconds: float, last_seconds: float
) -> Canvas:
    """What leads from `first`, at the start, to `last`, at the end."""
    beginning = replace(as_placement(first), seconds=first_seconds)
    return canvas.place(beginning, _ending(canvas, last, last_seconds))


def morph(
    canvas: Canvas,
    first: ClipSource,
    last: ClipSource,
    seconds: float,
    firmness: float = 0.4,
    middle: float | None = None,
) -> Canvas:
    """`first` turning into `last` over `seconds` around `middle`, else that of the canvas.

    Both are kept at their ends; from there each is held less and less, down to `firmness` at the
    middle, where one takes over from the other. Both begin with the canvas unless placed later;
    the first must last until the middle, the last from there to the end.
    """
    if middle is None:
        middle = canvas.size.frames // 2 / canvas.fps
    half = seconds / 2
    falling = ((middle - half, 1.0), (middle, firmness))
    rising = ((0.0, firmness), (half, 1.0))
    first, last = as_placement(first), as_placement(last)
    passed = middle - last.start
    return canvas.place(
        replace(first, firmness=falling),
        replace(
            last,
            start=middle,
            skip=last.skip + passed * last.speed,
            seconds=None if last.seconds is None else last.seconds - passed,
            firmness=rising,
        ),
    )


def loop(canvas: Canvas, clip: ClipSource | None = None, firmness: float = 1.0) -> Canvas:
    """A video without ends, free or led through `clip`."""
    endless = replace(canvas, ring=True)
    return (
        endless if clip is None else endless.place(replace(as_placement(clip), firmness=firmness))
    )


def inpaint(
    canvas: Canvas,
    clip: ClipSource,
    mask: Float[Tensor, "t y x"],
    start: float = 0.0,
    seconds: float | None = None,
) -> Canvas:
    """`clip` with a hole where `mask` is 1, from `start` on for `seconds` or to the end.

    A mask of one picture is a hole that stands still; of more, they count from `start`. Where the
    mask is between 0 and 1, the clip is painted over from a noise level of its value.
    """
    frames = None if seconds is None else max(1, canvas.frame_at(seconds))
    whole = torch.zeros_like(mask[:1])
    parts = [whole.expand(canvas.frame_at(start), -1, -1), mask[:frames]]
    if frames is not None:
        lasting = mask[-1:].expand(max(0, frames - len(mask)), -1, -1)
        parts += [lasting, whole]  # the last picture of a mask goes on
    return canvas.place(replace(as_placement(clip), mask=torch.cat(parts)))


def outpaint(canvas: Canvas, clip: ClipSource, region: Box) -> Canvas:
    """`clip` within `region`, and around it what it does not show."""
    return canvas.place(replace(as_placement(clip), region=region))


def video_to_video(
    canvas: Canvas,
    clip: ClipSource,
    firmness: float,
    mask: Float[Tensor, "t y x"] | None = None,
) -> Canvas:
    """`clip` painted over from a noise level of 1 - `firmness` (SDEdit); anew in `mask`."""
    return canvas.place(replace(as_placement(clip), firmness=firmness, mask=mask))


def place_storyboard(canvas: Canvas, prompts: Sequence[tuple[float, str]]) -> Canvas:
    """Each prompt from its second until the next one begins."""
    ends = [*(later for (_, _), (later, _) in pairwise(prompts)), None]
    return canvas.add_prompts(
        *(
            PromptSpan(prompt=prompt, start=start, end=end)
            for (start, prompt), end in zip(prompts, ends, strict=True)
        )
    )


def _ending(canvas: Canvas, clip: ClipSource, seconds: float) -> Placement:
    """The first `seconds` of `clip`, as the last ones of the canvas."""
    frames = canvas.size.frames - canvas.frame_at(seconds)
    return replace(as_placement(clip), start=frames / canvas.fps, seconds=seconds)
