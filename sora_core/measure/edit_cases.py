"""Edits of held-out world clips, run one or many at a time: exactness, reconstruction, seams.

Axes: b batch, c channels, t frames, y rows, x columns.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from ..canvas import edits
from ..canvas.canvas import Canvas
from ..canvas.canvas_latent import CanvasLatent
from ..models.attribute_classifier import AttributeClassifier
from ..models.autoencoder import Autoencoder
from ..pipeline.decode import decode_frames
from ..pipeline.generate import Pipeline, encode_footage, generate
from ..sampling.segments import SegmentSettings
from ..shapes import COMPRESSION, Frames, Latent, Mask, Size
from .classifier import classify
from .drift import preserved_psnr
from .heldout_clips import (
    CLIP_FPS,
    CLIP_SIZE,
    TUNING_SEED,
    HeldOutClip,
    empty_canvas,
    heldout_clips,
    through,
)
from .seams import Seams, mask_joins, preserved_frames, steps

MIDDLE = CLIP_SIZE.frames // 2
LOOP = Size(CLIP_SIZE.width, CLIP_SIZE.height, 16)
CHAIN_LENGTH = 10
BLENDED = 2  # frames over which the causal decoder passes from generated to known footage
CARRIED_FRAMES = 2  # latent frames that a segment shares with the one before


@dataclass(frozen=True, slots=True)
class EditJob:
    """An edit to run; `first` and `last` are the true clips for its first and second half."""

    clip: HeldOutClip
    canvas: Canvas
    prompt: str
    first: Frames
    last: Frames


@dataclass(frozen=True, slots=True)
class Edit:
    """A finished edit and its measurements over `known_frames`, the frames of its footage.

    `latent_error`: the largest absolute difference between the result's latent and the known one.
    `psnr`: of the frames against the true clip, in dB. `own_loss`: how many dB of PSNR the edit
    lies below the autoencoder's own reconstruction of the true clip. `settled_loss`: the same
    without the two frames after each generated part.
    """

    job: EditJob
    frames: Frames
    known_frames: tuple[int, ...]
    seams: Seams
    latent_error: float = 0.0
    psnr: float = 0.0
    own_loss: float = 0.0
    settled_loss: float = 0.0


Operation = Callable[[HeldOutClip, HeldOutClip], EditJob]
"""From a clip, and a second one for edits that need two, to the edit."""


def image_case(clip: HeldOutClip, _: HeldOutClip) -> EditJob:
    """Image to video from the clip's first frame."""
    return _job(clip, edits.image_to_video(empty_canvas(), clip.frames[:1]))


def forward_case(clip: HeldOutClip, _: HeldOutClip) -> EditJob:
    """An extension forward from the first half of the clip."""
    return _job(clip, edits.extend_forward(empty_canvas(), clip.frames[: MIDDLE + 1]))


def backward_case(clip: HeldOutClip, _: HeldOutClip) -> EditJob:
    """An extension backward from the second half of the clip."""
    half = clip.frames[MIDDLE + 1 :]
    return _job(clip, edits.extend_backward(empty_canvas(), half, len(half) / CLIP_FPS))


def fill_case(clip: HeldOutClip, _: HeldOutClip) -> EditJob:
    """A transition between the beginning and the end of the same clip."""
    return _job(clip, _connected(clip, clip))


def connect_case(clip: HeldOutClip, other: HeldOutClip) -> EditJob:
    """A transition from the beginning of the clip to the end of another."""
    canvas, prompt = _connected(clip, other), f"{clip.caption} {other.caption}"
    return EditJob(clip, canvas, prompt, clip.frames, other.frames)


def loop_case(clip: HeldOutClip, _: HeldOutClip) -> EditJob:
    """An endless loop from the caption alone."""
    return _job(clip, edits.loop(empty_canvas(LOOP)))


def recolour_case(firmness: float) -> Operation:
    """Video to video at `firmness`, with another colour in the caption."""

    def job(clip: HeldOutClip, _: HeldOutClip) -> EditJob:
        canvas = edits.video_to_video(empty_canvas(), clip.frames, firmness)
        return replace(_job(clip, canvas), prompt=clip.recoloured_caption)

    return job


OPERATIONS: dict[str, Operation] = {
    "image": image_case,
    "forward": forward_case,
    "backward": backward_case,
    "fill": fill_case,
    "connect": connect_case,
    "loop": loop_case,
}


def run_edit(pipeline: Pipeline, job: EditJob, count: int | None = None) -> Edit:
    """The edit of `job`, generated and measured."""
    encoded = encode_footage(pipeline, job.canvas)
    latent = generate(pipeline, job.prompt, encoded, job.clip.seed, steps=count)
    frames = torch.cat(list(decode_frames(pipeline, latent, encoded)))
    return measured_edit(pipeline.autoencoder, job, encoded, latent, frames)


def measured_edit(
    autoencoder: Autoencoder, job: EditJob, encoded: CanvasLatent, latent: Latent, frames: Frames
) -> Edit:
    """The measurements of an edit that any model sampled as `latent`, decoded as `frames`."""
    canvas, known, mask = job.canvas, encoded.known, encoded.mask
    known_frames = preserved_frames(canvas, mask)
    seams = Seams(steps([frames], canvas.ring), mask_joins(canvas, mask), canvas.ring)
    edit = Edit(job, frames, known_frames, seams)
    if not known_frames:
        return edit
    settled = settled_frames(known_frames)
    halves = slice(None, MIDDLE), slice(MIDDLE, None)
    own = [through(autoencoder, clip) for clip in (job.first, job.last)]
    truth, best = (
        torch.cat([clip[half] for clip, half in zip(clips, halves, strict=True)])
        for clips in ((job.first, job.last), own)
    )

    def losses(at: list[int]) -> tuple[float, float]:
        psnr = preserved_psnr(truth[at], frames[at])
        return psnr, preserved_psnr(truth[at], best[at]) - psnr

    psnr, loss = losses(list(known_frames))
    return replace(
        edit,
        latent_error=largest_error(latent, known, mask),
        psnr=psnr,
        own_loss=loss,
        settled_loss=losses(settled)[1],
    )


def settled_frames(known_frames: Sequence[int]) -> list[int]:
    """The `known_frames` that the decoder computes almost from known latents alone.

    A causal decoder blends the first two frames after a join with the generated ones before it.
    """
    return [
        t
        for t in known_frames
        if all(max(0, t - back) in known_frames for back in range(BLENDED + 1))
    ]


def largest_error(latent: Latent, known: Latent, mask: Mask) -> float:
    """The largest absolute difference of `latent` and `known` where `mask` is 0."""
    return ((latent - known).abs() * (mask == 0)).max().item()


def run_chain(
    pipeline: Pipeline, clip: HeldOutClip, links: int = CHAIN_LENGTH, count: int | None = None
) -> list[Frames]:
    """The clip and `links` extensions, each generated from the latent of the one before.

    Nothing is decoded and encoded in between; the whole latent is decoded once.
    """
    canvas, lengths = chain_canvas(clip, links)
    encoded = encode_footage(pipeline, canvas)
    hand_over = SegmentSettings(history=CARRIED_FRAMES)
    latent = generate(pipeline, clip.caption, encoded, clip.seed, steps=count, segments=hand_over)
    return list(torch.cat(list(decode_frames(pipeline, latent, encoded))).split(lengths))


def chain_canvas(clip: HeldOutClip, links: int = CHAIN_LENGTH) -> tuple[Canvas, list[int]]:
    """The clip on a canvas with space for `links` extensions, and the frames of each part."""
    lengths = link_lengths(links)
    size = Size(CLIP_SIZE.width, CLIP_SIZE.height, sum(lengths))
    return edits.extend_forward(empty_canvas(size), clip.frames), lengths


def link_lengths(links: int = CHAIN_LENGTH) -> list[int]:
    """The number of frames of the clip and of each of its `links` extensions."""
    new = COMPRESSION.latent_frames(CLIP_SIZE.frames) - CARRIED_FRAMES
    return [CLIP_SIZE.frames] + [new * COMPRESSION.time] * links


def seam_ratios(done: Sequence[Edit], kind: str) -> list[float]:
    """The seam ratios of `kind` at all joins of the edits, and at the wraps of loops."""
    return [
        edit.seams.ratio(kind, join)
        for edit in done
        for join in (*edit.seams.joins, *([0] if edit.seams.loop else []))
    ]


def _job(clip: HeldOutClip, canvas: Canvas) -> EditJob:
    return EditJob(clip, canvas, clip.caption, clip.frames, clip.frames)


def _connected(first: HeldOutClip, last: HeldOutClip) -> Canvas:
    """A canvas with the first five frames of one clip and the last four of another."""
    beginning, end = first.frames[: 1 + COMPRESSION.time], last.frames[-COMPRESSION.time :]
    return edits.connect(
        empty_canvas(), beginning, end, len(beginning) / CLIP_FPS, len(end) / CLIP_FPS
    )


FIRMNESSES = (0.15, 0.3, 0.45, 0.6)
NEW_COLOUR, SAME_MOTION = 0.7, 0.8  # shares

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class EditRunner:
    """A model, the classifier that judges its clips, the clips, and how to sample them."""

    pipeline: Pipeline
    reader: AttributeClassifier
    clips: Sequence[HeldOutClip]
    steps: int | None = None
    threads: int = 1
    on_progress: Callable[[str], None] = lambda progress: None

    def each(
        self, what: str, make: Callable[[Item], Result], items: Iterable[Item]
    ) -> list[Result]:
        """The results of `make` for all items in order, `threads` at a time."""
        results = []
        with ThreadPoolExecutor(self.threads) as pool:
            for result in pool.map(make, items):
                results.append(result)
                self.on_progress(f"{what}: {len(results)} clips")
        return results

    def edits(self, name: str) -> list[Edit]:
        """The edit called `name` of every clip; the second clip of an edit is the next one."""
        pairs = zip(self.clips, (*self.clips[1:], self.clips[0]), strict=True)
        operation = OPERATIONS[name]
        return self.each(
            name, lambda pair: run_edit(self.pipeline, operation(*pair), self.steps), pairs
        )

    def recoloured(self, clips: Sequence[HeldOutClip], firmness: float) -> list[Edit]:
        """Video to video of each clip, with another colour in its caption."""
        operation = recolour_case(firmness)
        return self.each(
            f"colour {firmness:g}",
            lambda take: run_edit(self.pipeline, operation(take, take), self.steps),
            clips,
        )

    def chains(self) -> list[list[Frames]]:
        """For each clip, the frames of the clip and of its successive extensions."""
        return self.each(
            "chain", lambda take: run_chain(self.pipeline, take, count=self.steps), self.clips
        )

    def colour_shares(self, edits: Sequence[Edit]) -> tuple[float, float]:
        """The shares of edits with the new colour, and with the clip's motion."""
        new, same = 0, 0
        for edit in edits:
            reading, clip = classify(self.reader, edit.frames), edit.job.clip
            new += reading["colour"] == clip.other_colour
            same += reading["motion"] == clip.scene.labels["motion"]
        return new / len(edits), same / len(edits)

    def best_firmness(self, count: int) -> float:
        """The firmness with the best worse margin of both shares, on `count` separate clips."""
        clips = list(heldout_clips(count, TUNING_SEED))

        def margin(firmness: float) -> float:
            new, same = self.colour_shares(self.recoloured(clips, firmness))
            return min(new - NEW_COLOUR, same - SAME_MOTION)

        return max(FIRMNESSES, key=margin)
