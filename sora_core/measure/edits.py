"""Edits of held-out world clips, and what can be told of each: exactness, seams, drift, reading.

Axes: b batch, c channels, t frames, y rows, x columns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from .. import edits
from ..canvas import Canvas
from ..encode import Mask, encode_canvas
from ..models.streaming import encode_chunks
from ..pipeline import Pipeline, decode_frames, generate
from ..sampling.chain import Chain
from ..shapes import COMPRESSION, Frames, Latent, Size
from .drift import kept_psnr
from .joins import joins_of, kept_frames
from .reconstruction import through
from .seams import Seams, steps
from .takes import FPS, SIZE, Take, empty_canvas

MIDDLE = SIZE.frames // 2
LOOP = Size(SIZE.width, SIZE.height, 16)
LINKS = 10
BLENDED = 2  # frames in which the decoder passes from painted to kept footage
HANDED = 2  # latent frames that a link of a chain begins with: the end of the one before


@dataclass(frozen=True, slots=True)
class Job:
    """An edit to be made: `first` and `last` are the true clips of its two halves."""

    take: Take
    canvas: Canvas
    prompt: str
    first: Frames
    last: Frames


@dataclass(frozen=True, slots=True)
class Edit:
    """A finished edit.

    `kept` are the frames that were given; there, `latent_error` is how far the latent is from the
    one given, at most, `psnr` how near the frames are to the truth, and `own_loss` how much nearer
    those are that the autoencoder gives back of the true clip, in dB; `settled_loss` is the same
    without the two frames after what was painted.
    """

    job: Job
    frames: Frames
    kept: tuple[int, ...]
    seams: Seams
    latent_error: float = 0.0
    psnr: float = 0.0
    own_loss: float = 0.0
    settled_loss: float = 0.0


Operation = Callable[[Take, Take], Job]
"""The edit of a clip; the second one is for edits that need two."""


def image(take: Take, _: Take) -> Job:
    """A video that begins with the clip's first frame."""
    return _job(take, edits.image_to_video(empty_canvas(), take.frames[:1]))


def forward(take: Take, _: Take) -> Job:
    """What comes after the first half of the clip."""
    return _job(take, edits.extend_forward(empty_canvas(), take.frames[: MIDDLE + 1]))


def backward(take: Take, _: Take) -> Job:
    """What came before the second half of the clip."""
    half = take.frames[MIDDLE + 1 :]
    return _job(take, edits.extend_backward(empty_canvas(), half, len(half) / FPS))


def fill(take: Take, _: Take) -> Job:
    """What lies between the beginning and the end of the clip."""
    return _job(take, _connected(take, take))


def connect(take: Take, other: Take) -> Job:
    """What leads from the beginning of the clip to the end of another."""
    canvas, prompt = _connected(take, other), f"{take.caption} {other.caption}"
    return Job(take, canvas, prompt, take.frames, other.frames)


def loop(take: Take, _: Take) -> Job:
    """An endless video of what the caption says."""
    return _job(take, edits.loop(empty_canvas(LOOP)))


def recolour(firmness: float) -> Operation:
    """The clip painted over from `firmness`, with another colour in its caption."""

    def job(take: Take, _: Take) -> Job:
        canvas = edits.video_to_video(empty_canvas(), take.frames, firmness)
        return replace(_job(take, canvas), prompt=take.recoloured_caption)

    return job


OPERATIONS: dict[str, Operation] = {
    "image": image,
    "forward": forward,
    "backward": backward,
    "fill": fill,
    "connect": connect,
    "loop": loop,
}


def perform(pipeline: Pipeline, job: Job, count: int | None = None) -> Edit:
    """The edit that `job` asks for, painted and measured."""
    canvas = job.canvas
    latent = generate(pipeline, job.prompt, canvas, job.take.seed, steps=count)
    known, mask = encoded(pipeline, canvas)
    frames = torch.cat(list(decode_frames(pipeline, latent, canvas, mask)))
    kept = kept_frames(canvas, mask)
    seams = Seams(steps([frames], canvas.ring), joins_of(canvas, mask), canvas.ring)
    edit = Edit(job, frames, kept, seams)
    if not kept:
        return edit
    settled = settled_frames(kept)
    halves = slice(None, MIDDLE), slice(MIDDLE, None)
    own = [through(pipeline.autoencoder, clip) for clip in (job.first, job.last)]
    truth, best = (
        torch.cat([clip[half] for clip, half in zip(clips, halves, strict=True)])
        for clips in ((job.first, job.last), own)
    )

    def losses(at: list[int]) -> tuple[float, float]:
        psnr = kept_psnr(truth[at], frames[at])
        return psnr, kept_psnr(truth[at], best[at]) - psnr

    psnr, loss = losses(list(kept))
    return replace(
        edit,
        latent_error=largest_error(latent, known, mask),
        psnr=psnr,
        own_loss=loss,
        settled_loss=losses(settled)[1],
    )


def settled_frames(kept: Sequence[int]) -> list[int]:
    """Of the frames `kept`, those that the decoder makes of kept ones alone, as good as.

    A causal decoder blends the first frames after a join with what was painted before it.
    """
    return [t for t in kept if all(max(0, t - back) in kept for back in range(BLENDED + 1))]


def largest_error(latent: Latent, known: Latent, mask: Mask) -> float:
    """How far `latent` is from what was known, at most, where that was to be kept."""
    return ((latent - known).abs() * (mask == 0)).max().item()


@torch.inference_mode()
def encoded(pipeline: Pipeline, canvas: Canvas) -> tuple[Latent, Mask]:
    """The known latent of `canvas` and its mask."""
    channels = pipeline.config.transformer.latent_channels
    return encode_canvas(canvas, partial(encode_chunks, pipeline.autoencoder), channels)


def chain(
    pipeline: Pipeline, take: Take, links: int = LINKS, count: int | None = None
) -> list[Frames]:
    """The clip, and `links` extensions, each painted from the latent of the one before.

    Nothing is decoded and encoded between; the whole is decoded once.
    """
    lengths = link_lengths(links)
    size = Size(SIZE.width, SIZE.height, sum(lengths))
    canvas = edits.extend_forward(empty_canvas(size), take.frames)
    hand_over = Chain(history=HANDED)
    latent = generate(pipeline, take.caption, canvas, take.seed, steps=count, chain=hand_over)
    _, mask = encoded(pipeline, canvas)
    return list(torch.cat(list(decode_frames(pipeline, latent, canvas, mask))).split(lengths))


def link_lengths(links: int = LINKS) -> list[int]:
    """How many frames the clip and each link of its chain have."""
    new = COMPRESSION.latent_frames(SIZE.frames) - HANDED
    return [SIZE.frames] + [new * COMPRESSION.time] * links


def seam_ratios(done: Sequence[Edit], kind: str) -> list[float]:
    """The ratios at every join of all edits; of loops, at their wraps."""
    return [
        edit.seams.ratio(kind, join)
        for edit in done
        for join in (*edit.seams.joins, *([0] if edit.seams.loop else []))
    ]


def _job(take: Take, canvas: Canvas) -> Job:
    return Job(take, canvas, take.caption, take.frames, take.frames)


def _connected(first: Take, last: Take) -> Canvas:
    """The first five frames of one clip, and the last four of another."""
    beginning, end = first.frames[: 1 + COMPRESSION.time], last.frames[-COMPRESSION.time :]
    return edits.connect(empty_canvas(), beginning, end, len(beginning) / FPS, len(end) / FPS)
