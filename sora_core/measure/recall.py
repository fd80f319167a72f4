"""How well a tuned model reproduces its training clips from their captions alone.

A figure near 1 means that a clip is memorised: the goal of a test run, and a warning in any other
training.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from ..canvas.canvas import Canvas
from ..checkpoints.lora_file import HOST_PREFIX, merge_lora
from ..checkpoints.safetensors_io import read_header
from ..errors import ConfigError
from ..models.chunked_codec import decode_chunks
from ..pipeline.decode import decode_frames
from ..pipeline.generate import Pipeline, generate, load
from ..shapes import Frames
from ..training.own.cache import encode_frames
from ..training.own.clip_reader import clip_frames
from ..training.own.folder import literal_prompt
from ..training.own.plan import HELD_OUT, TRAIN, Plan, PlannedClip
from ..video.frames import frames_from_video
from .report import decibels


@dataclass(frozen=True, slots=True)
class Recall:
    """A clip, its frames decoded from its own latent, those generated on its caption, and the
    correlation of either with the file, once the mean frame of each is taken away."""

    clip: PlannedClip
    true: Frames
    reconstructed: Frames
    generated: Frames
    by_autoencoder: float
    by_model: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RecallSettings:
    """How the clips are generated."""

    steps: int = 20
    guidance: float = 1.0
    seed: int = 0


def motion_correlation(first: Frames, second: Frames) -> float:
    """The correlation of two clips of one size, in [-1, 1], once the mean frame of each is taken
    away; 0 where one of them stands still."""
    moving = [
        (frames.double() - frames.double().mean(dim=0, keepdim=True)).flatten()
        for frames in (first, second)
    ]
    size = moving[0].norm() * moving[1].norm()
    return float(moving[0] @ moving[1] / size) if size else 0.0


def tuned_pipeline(start: Path, weights: Path | None) -> Pipeline:
    """The model in the file `start`, with the LoRA in `weights`, or the model in `weights`."""
    if weights is None:
        return load(start)
    if not any(name.startswith(HOST_PREFIX) for name in read_header(weights).tensors):
        return load(weights)
    pipeline = load(start)
    merge_lora(pipeline.transformer, weights)
    return pipeline


def reconstruction(pipeline: Pipeline, frames: Frames) -> Frames:
    """`frames` encoded and decoded by the autoencoder of `pipeline`."""
    latent = encode_frames(pipeline.autoencoder, frames)[None].float()
    known = torch.zeros(1, 1, *latent.shape[2:])
    with torch.inference_mode():
        chunks = [video[0] for video in decode_chunks(pipeline.autoencoder, latent, known)]
    return frames_from_video(torch.cat(chunks, dim=1))


def clip_psnr(first: Frames, second: Frames) -> float:
    """The PSNR of two clips of one size, in dB, at most 120."""
    return decibels((first.double() - second.double()).div(255).square().mean().item())


def held_out_psnr(pipeline: Pipeline, plan: Plan) -> list[float]:
    """For each clip of `plan` that is held out, the PSNR of its reconstruction, in dB."""
    clips = [clip_frames(plan.path(clip), clip) for clip in plan.of_split(HELD_OUT)]
    return [clip_psnr(frames, reconstruction(pipeline, frames)) for frames in clips]


def recalled_clips(
    pipeline: Pipeline,
    plan: Plan,
    settings: RecallSettings,
    on_clip: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Recall]:
    """Each training clip of `plan` with motion, and the model's clip for its caption.

    ConfigError where no clip has motion.
    """
    clips = [clip for clip in plan.of_split(TRAIN) if not clip.still]
    if not clips:
        raise ConfigError("no training clip has more than one frame: nothing moves to be compared")
    for done, clip in enumerate(clips, 1):
        true = clip_frames(plan.path(clip), clip)
        reconstructed = reconstruction(pipeline, true)
        canvas = Canvas(
            width=clip.width, height=clip.height, seconds=clip.frames / clip.fps, fps=clip.fps
        )
        sampled = generate(
            pipeline,
            literal_prompt(clip.caption),
            canvas,
            settings.seed,
            steps=settings.steps,
            guidance=settings.guidance,
            interval=(0.0, 1.0),
            window=clip.grid.frames,
        )
        generated = torch.cat(list(decode_frames(pipeline, sampled, canvas)))
        on_clip(done, len(clips))
        yield Recall(
            clip,
            true,
            reconstructed,
            generated,
            motion_correlation(true, reconstructed),
            motion_correlation(true, generated),
        )
