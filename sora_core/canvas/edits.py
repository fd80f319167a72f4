"""Every edit as a few placements on a canvas, and how long its result is.

The functions of the first part take the empty canvas of the whole length and return it with footage
on it. Those of the second take `Media` and return a new canvas, exactly as long as the footage and
the requested seconds, in whole frames. Nodes, command line and page compute no length and no
position themselves; `tests/edits.json` holds cases that core and page share. Seconds count from the
start of the canvas.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError, check_choice
from ..shapes import COMPRESSION
from ..video.still import is_still, read_still
from .canvas import Box, Canvas, Placement, PromptSpan, Source
from .media import Media, canvas_of_frames, most_open

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
    mask is between 0 and 1, the clip is regenerated from a noise level of its value (SDEdit). What
    the clip's own mask opens stays open.
    """
    frames = None if seconds is None else max(1, canvas.frame_at(seconds))
    whole = torch.zeros_like(mask[:1])
    parts = [whole.expand(canvas.frame_at(start), -1, -1), mask[:frames]]
    if frames is not None:
        lasting = mask[-1:].expand(max(0, frames - len(mask)), -1, -1)
        parts += [lasting, whole]  # the last picture of a mask repeats
    placement = as_placement(clip)
    opened = most_open(placement.mask, torch.cat(parts))
    return canvas.place(replace(placement, mask=opened))


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
EDGES = ("start", "end")


def media_placement(
    clip: Media,
    canvas: Canvas,
    start: float = 0.0,
    edge: str = "start",
    skip: float = 0.0,
    seconds: float = 0.0,
    speed: float = 1.0,
    mask: Float[Tensor, "*t y x"] | None = None,
) -> Placement:
    """Where `clip` lies on `canvas` at `speed`, in whole frames, without its first `skip` seconds.

    It begins `start` seconds after the `edge` "start" of the canvas, or ends that long before the
    "end"; it lasts `seconds`, or to its end for 0. It is open where it is transparent, or where
    `mask` is 1. ConfigError where `skip` leaves nothing, and for another `edge`.
    """
    if skip >= clip.seconds:
        raise ConfigError(f"skip {skip:g} s of footage that lasts {clip.seconds:g} s: skip less")
    whole = (clip.seconds - skip) / speed
    frames = max(1, round(min(seconds or whole, whole) * canvas.fps))
    rate = canvas.fps / speed
    opened = clip.transparency(rate, skip, frames)
    if mask is not None:
        opened = most_open(opened, clip.mask_frames(mask, rate, skip, frames))
    return replace(
        clip.placement,
        start=seconds_from_edge(canvas, start, frames, edge),
        skip=skip,
        seconds=frames / canvas.fps,
        fit=clip.fit,
        mask=opened,
        speed=speed,
    )


def still_placement(
    image: Float[Tensor, "1 y x c"],
    canvas: Canvas,
    start: float = 0.0,
    edge: str = "start",
    seconds: float = 0.0,
) -> Placement:
    """Where a still `image` lies on `canvas`: for `seconds`, or a single frame for 0.

    `start` and `edge` are as for footage.
    """
    frames = max(1, round(seconds * canvas.fps))
    return Placement(
        source=image.expand(frames, -1, -1, -1),  # no copies
        start=seconds_from_edge(canvas, start, frames, edge),
        seconds=frames / canvas.fps,
    )


def seconds_from_edge(canvas: Canvas, seconds: float, frames: int, edge: str) -> float:
    """The start of `frames` frames that lie `seconds` away from an `edge` of `canvas`."""
    check_choice("edge", edge, EDGES)
    if edge == "start":
        return seconds
    return (canvas.size.frames - canvas.frame_at(seconds) - frames) / canvas.fps


def video_from_image(image: Media, seconds: float, last: ClipSource | None = None) -> Canvas:
    """A video of `seconds` that begins with `image`, and ends with the image `last` if given."""
    blank = replace(image.canvas(), seconds=seconds)
    images: list[tuple[float, ClipSource]] = [(0.0, image.placement.source)]
    if last is not None:
        images.append((blank.last, last))
    return key_frames(blank, images, image.fit)


def extend_media(clip: Media, seconds: float, direction: str, keep: float = 0.0) -> Canvas:
    """`clip` and `seconds` more: after it (forward), before it (backward), or at each end (both).

    Only `keep` seconds of it, next to the new part, lie on the canvas; 0 keeps all. ConfigError for
    another `direction`.
    """
    check_choice("direction", direction, DIRECTIONS)
    clip = clip.last(keep) if direction == "forward" else clip.first(keep)
    blank = clip.canvas()
    frames, added = blank.size.frames, blank.frame_at(seconds)
    blank = canvas_of_frames(blank, frames + added * (2 if direction == "both" else 1))
    placed, lasts = clip.on(blank), frames / blank.fps
    match direction:
        case "forward":
            return extend_forward(blank, placed)
        case "backward":
            return extend_backward(blank, placed, lasts)
    return extend_both(blank, placed, lasts)


def connect_media(first: Media, second: Media, seconds: float, keep: float = 0.0) -> Canvas:
    """`first`, `seconds` that lead from it to `second`, and `second`, on a canvas for `first`.

    Only `keep` seconds of each, next to the new part, lie on the canvas; 0 keeps all.
    """
    first, second = first.last(keep), second.first(keep)
    blank = first.canvas()
    lengths = first.frames(blank.fps), second.frames(blank.fps)
    blank = canvas_of_frames(blank, sum(lengths) + blank.frame_at(seconds))
    return connect(
        blank, first.on(blank), second.on(blank), *(frames / blank.fps for frames in lengths)
    )


def morph_media(first: Media, second: Media, seconds: float, firmness: float = 0.4) -> Canvas:
    """`first` turning into `second`: the last `seconds` of one overlap the first of the other.

    The canvas is one for `first`. ConfigError where `seconds` is below two frames or exceeds the
    shorter footage.
    """
    blank = first.canvas()
    over, lengths = blank.frame_at(seconds), (blank.size.frames, second.frames(blank.fps))
    if not 2 <= over <= min(lengths):
        longest = min(lengths) / blank.fps
        raise ConfigError(
            f"seconds {seconds:g} of a change: choose {2 / blank.fps:g} or more, and at most "
            f"{longest:g}, which the shorter footage lasts"
        )
    blank = canvas_of_frames(blank, sum(lengths) - over)
    begin = lengths[0] - over
    becoming = replace(second.on(blank), start=begin / blank.fps)
    middle = (begin + over // 2) / blank.fps
    return morph(blank, first.on(blank), becoming, over / blank.fps, firmness, middle)


def loop_media(clip: Media, seconds: float, firmness: float = 1.0) -> Canvas:
    """A loop of `clip` and `seconds` that lead from its end to its start, or up to three frames
    more, so that the loop closes."""
    blank = clip.canvas()
    blank = close_loop(canvas_of_frames(blank, blank.size.frames + blank.frame_at(seconds)))
    return loop(blank, clip.on(blank), firmness)


def close_loop(canvas: Canvas) -> Canvas:
    """`canvas` as a loop, longer by up to three frames: each latent frame of a loop holds four."""
    frames = -(-canvas.size.frames // COMPRESSION.time) * COMPRESSION.time
    return loop(canvas_of_frames(canvas, frames))


def edit_media(
    clip: Media,
    firmness: float,
    start: float = 0.0,
    seconds: float = 0.0,
    mask: Float[Tensor, "*t y x"] | None = None,
) -> Canvas:
    """`clip`, changed from `start` on for `seconds`, or to its end for 0, where `mask` is 1.

    There it is regenerated from a noise level of 1 - `firmness`. A mask has one picture, or one for
    each frame of the footage; None changes the whole picture. ConfigError where no frame is left to
    change, and for a mask of another length.
    """
    blank = clip.canvas()
    frames = blank.size.frames - blank.frame_at(start)
    if frames < 1:
        lasts = f"{blank.seconds:g} s"
        raise ConfigError(f"start {start:g} s of footage that lasts {lasts}: start earlier")
    hole = torch.ones(1, 1, 1)
    if mask is not None:
        hole = clip.mask_frames(mask, blank.fps, start, frames)
    return inpaint(blank, clip.on(blank), hole * (1 - firmness), start, seconds or None)


def outpaint_media(clip: Media, margins: tuple[int, int, int, int]) -> Canvas:
    """`clip` with `margins` in pixels at its left, top, right and bottom.

    They enlarge the picture, or lie within `clip.like`. ConfigError where nothing is left for it.
    """
    left, top, right, bottom = margins
    if clip.like is None:
        clip = replace(clip, width=clip.width + left + right, height=clip.height + top + bottom)
    blank = clip.canvas()
    width, height = blank.width - left - right, blank.height - top - bottom
    if width < 1 or height < 1:
        raise ConfigError(
            f"margins leave {width}x{height} px of a canvas of {blank.width}x{blank.height} "
            "px: choose smaller ones"
        )
    return outpaint(blank, clip.on(blank), Box(left, top, width, height))
