"""Every edit as a few placements on a canvas, and how long its result is.

The functions of the first part take the empty canvas of the whole length and return it with footage
on it. Those of the second take `Media` and return a new canvas: with the size and rate of the
footage, or of a canvas `like`, and exactly as long as the footage and the requested seconds, in
whole frames. Nodes, command line and page compute no length themselves; `tests/edits.json` holds
cases that core and page share. Seconds count from the start of the canvas.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError
from ..shapes import COMPRESSION
from ..video.still import is_still, read_still
from .canvas import Box, Canvas, Placement, PromptSpan, Source
from .media import Media, canvas_of_frames

ClipSource = Source | Placement
"""Footage; a placement sets more than its source, such as its rate or speed."""


def as_placement(clip: ClipSource) -> Placement:
    """`clip` as it would be placed on its own."""
    return clip if isinstance(clip, Placement) else Placement(source=clip)


def as_image(image: ClipSource) -> Placement:
    """`image` as it would be placed on its own; a picture file is read at once."""
    placement = as_placement(image)
    source = placement.source
    if isinstance(source, Path) and is_still(source):
        return replace(placement, source=read_still(source))
    return placement


def image_to_video(canvas: Canvas, image: ClipSource, fit: str = "crop") -> Canvas:
    """A video that begins with `image`: a picture file, or a tensor of one frame."""
    return canvas.place(replace(as_image(image), fit=fit))


def key_frames(
    canvas: Canvas, images: Sequence[tuple[float, ClipSource]], fit: str = "crop"
) -> Canvas:
    """A video that passes through each image at its second; `canvas.last` is the last moment."""
    return canvas.place(*(replace(as_image(image), start=at, fit=fit) for at, image in images))


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

    Both are exact at their ends; from there their firmness falls to `firmness` at the middle, where
    `last` replaces `first`. Both begin with the canvas unless placed later; the first must last
    until the middle, the last from there to the end.
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
    mask is between 0 and 1, the clip is regenerated from a noise level of its value (SDEdit).
    """
    frames = None if seconds is None else max(1, canvas.frame_at(seconds))
    whole = torch.zeros_like(mask[:1])
    parts = [whole.expand(canvas.frame_at(start), -1, -1), mask[:frames]]
    if frames is not None:
        lasting = mask[-1:].expand(max(0, frames - len(mask)), -1, -1)
        parts += [lasting, whole]  # the last picture of a mask repeats
    return canvas.place(replace(as_placement(clip), mask=torch.cat(parts)))


def outpaint(canvas: Canvas, clip: ClipSource, region: Box) -> Canvas:
    """`clip` within `region` of an otherwise empty canvas."""
    return canvas.place(replace(as_placement(clip), region=region))


def video_to_video(
    canvas: Canvas,
    clip: ClipSource,
    firmness: float,
    mask: Float[Tensor, "t y x"] | None = None,
) -> Canvas:
    """`clip` regenerated from a noise level of 1 - `firmness` (SDEdit); from noise in `mask`."""
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


DIRECTIONS = ("forward", "backward", "both")


def video_from_image(
    image: Media,
    seconds: float,
    last: ClipSource | None = None,
    fit: str = "crop",
    like: Canvas | None = None,
) -> Canvas:
    """A video of `seconds` that begins with `image`, and ends with the image `last` if given."""
    blank = replace(image.canvas(like), seconds=seconds)
    images: list[tuple[float, ClipSource]] = [(0.0, image.placement.source)]
    if last is not None:
        images.append((blank.last, last))
    return key_frames(blank, images, fit)


def extend_media(
    clip: Media,
    seconds: float,
    direction: str,
    keep: float = 0.0,
    fit: str = "pad",
    like: Canvas | None = None,
) -> Canvas:
    """`clip` and `seconds` more: after it (forward), before it (backward), or at each end (both).

    Only `keep` seconds of it, next to the new part, lie on the canvas; 0 keeps all. ConfigError for
    another `direction`.
    """
    if direction not in DIRECTIONS:
        raise ConfigError(
            f"direction {direction[:20]!a:.22}: choose one of {', '.join(DIRECTIONS)}"
        )
    clip = clip.last(keep) if direction == "forward" else clip.first(keep)
    blank = clip.canvas(like)
    frames, added = blank.size.frames, blank.frame_at(seconds)
    blank = canvas_of_frames(blank, frames + added * (2 if direction == "both" else 1))
    placed, lasts = clip.on(blank, fit), frames / blank.fps
    match direction:
        case "forward":
            return extend_forward(blank, placed)
        case "backward":
            return extend_backward(blank, placed, lasts)
    return extend_both(blank, placed, lasts)


def connect_media(
    first: Media,
    second: Media,
    seconds: float,
    keep: float = 0.0,
    fit: str = "pad",
    like: Canvas | None = None,
) -> Canvas:
    """`first`, `seconds` that lead from it to `second`, and `second`.

    Only `keep` seconds of each, next to the new part, lie on the canvas; 0 keeps all.
    """
    first, second = first.last(keep), second.first(keep)
    blank = first.canvas(like)
    lengths = first.frames(blank.fps), second.frames(blank.fps)
    blank = canvas_of_frames(blank, sum(lengths) + blank.frame_at(seconds))
    clips = first.on(blank, fit), second.on(blank, fit)
    return connect(blank, *clips, *(frames / blank.fps for frames in lengths))


def morph_media(
    first: Media,
    second: Media,
    seconds: float,
    firmness: float = 0.4,
    fit: str = "pad",
    like: Canvas | None = None,
) -> Canvas:
    """`first` turning into `second`: the last `seconds` of one overlap the first of the other.

    ConfigError where `seconds` is below two frames or exceeds the shorter footage.
    """
    blank = first.canvas(like)
    over, lengths = blank.frame_at(seconds), (blank.size.frames, second.frames(blank.fps))
    if not 2 <= over <= min(lengths):
        longest = min(lengths) / blank.fps
        raise ConfigError(
            f"seconds {seconds:g} of a change: choose {2 / blank.fps:g} or more, and at most "
            f"{longest:g}, which the shorter footage lasts"
        )
    blank = canvas_of_frames(blank, sum(lengths) - over)
    begin = lengths[0] - over
    becoming = replace(second.on(blank, fit), start=begin / blank.fps)
    middle = (begin + over // 2) / blank.fps
    return morph(blank, first.on(blank, fit), becoming, over / blank.fps, firmness, middle)


def loop_media(
    clip: Media,
    seconds: float,
    firmness: float = 1.0,
    fit: str = "pad",
    like: Canvas | None = None,
) -> Canvas:
    """A loop of `clip` and `seconds` that lead from its end to its start, or up to three frames
    more, so that the loop closes."""
    blank = clip.canvas(like)
    blank = close_loop(canvas_of_frames(blank, blank.size.frames + blank.frame_at(seconds)))
    return loop(blank, clip.on(blank, fit), firmness)


def close_loop(canvas: Canvas) -> Canvas:
    """`canvas` as a loop, longer by up to three frames: each latent frame of a loop holds four."""
    frames = -(-canvas.size.frames // COMPRESSION.time) * COMPRESSION.time
    return loop(canvas_of_frames(canvas, frames))


def frames_to_change(canvas: Canvas, start: float) -> int:
    """How many frames of a `canvas` as long as its footage lie after the second `start`.

    ConfigError where there is none.
    """
    frames = canvas.size.frames - canvas.frame_at(start)
    if frames < 1:
        lasts = f"{canvas.seconds:g} s"
        raise ConfigError(f"start {start:g} s of footage that lasts {lasts}: start earlier")
    return frames


def outpaint_media(
    clip: Media,
    margins: tuple[int, int, int, int],
    fit: str = "pad",
    like: Canvas | None = None,
) -> Canvas:
    """`clip` with `margins` in pixels at its left, top, right and bottom.

    They enlarge the picture, or lie within `like`. ConfigError where nothing is left for `clip`.
    """
    left, top, right, bottom = margins
    if like is None:
        clip = replace(clip, width=clip.width + left + right, height=clip.height + top + bottom)
    blank = clip.canvas(like)
    width, height = blank.width - left - right, blank.height - top - bottom
    if width < 1 or height < 1:
        raise ConfigError(
            f"margins leave {width}x{height} px of a canvas of {blank.width}x{blank.height} "
            "px: choose smaller ones"
        )
    return outpaint(blank, clip.on(blank, fit), Box(left, top, width, height))
