"""From a prompt and a canvas to a latent.

Axes: b batch, c channels, t frames, y rows, x columns, l text tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..canvas.canvas import Canvas
from ..canvas.canvas_latent import CanvasLatent
from ..canvas.encode import encode_canvas
from ..checkpoints.checkpoint import (
    CheckpointConfig,
    load_autoencoder,
    load_transformer,
    read_config,
)
from ..checkpoints.text_file import load_text
from ..errors import ConfigError
from ..models.autoencoder import Autoencoder
from ..models.chunked_codec import encode_chunks
from ..models.dit import DiT
from ..models.text_encoder import TextEncoder, encode
from ..models.tokenizer import Tokenizer
from ..prompts.sanitize import clean_prompt
from ..released import released_folder
from ..sampling.noise import MAX_SEED, seeded_noise
from ..sampling.samplers import Step, dpmpp_2m, euler, heun, sde
from ..sampling.schedules import shift_for_cells, shifted_sigmas
from ..sampling.segments import Segment, SegmentSettings, generate_segments
from ..sampling.windows import Windows
from ..shapes import Grid, Latent
from .denoiser import BATCHED_TOKENS as BATCHED_TOKENS
from .denoiser import GuidedDenoiser, Script, prompt_weights

MODELS = released_folder()
SHIPPED = "sora-mini.safetensors"

SEGMENT_SETTINGS = SegmentSettings()
OVERLAP = 2  # latent frames that neighbouring windows share

Sampler = Callable[..., Latent]
SAMPLERS = ("euler", "heun", "dpmpp_2m", "sde")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A whole model, ready to use."""

    config: CheckpointConfig
    transformer: DiT
    autoencoder: Autoencoder
    encoder: TextEncoder
    tokenizer: Tokenizer


def load(path: Path = MODELS / SHIPPED) -> Pipeline:
    """The model in the file at `path`, in float32 on the CPU."""
    config = read_config(path)
    return Pipeline(
        config,
        load_transformer(path, config),
        load_autoencoder(path, config),
        *load_text(path),
    )


@torch.inference_mode()
def encode_footage(pipeline: Pipeline, canvas: Canvas) -> CanvasLatent:
    """`canvas` as a latent of the model; its footage is read here, and only here."""
    channels = pipeline.config.transformer.latent_channels
    return encode_canvas(canvas, partial(encode_chunks, pipeline.autoencoder), channels)


@torch.inference_mode()
def generate(
    pipeline: Pipeline,
    prompt: str,
    canvas: Canvas | CanvasLatent,
    seed: int = 0,
    *,
    steps: int | None = None,
    guidance: float | None = None,
    interval: tuple[float, float] | None = None,
    footage_guidance: float = 1.0,
    negative: str = "",
    sampler: str = "euler",
    segments: SegmentSettings | None = SEGMENT_SETTINGS,
    window: int | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
    on_segment: Callable[[Segment, Latent], None] = lambda link, latent: None,
) -> Latent:
    """The latent that paints `prompt` on `canvas`; the same numbers for the same seed.

    The canvas' own prompts are told in their seconds, `prompt` in all others. Footage is kept as
    firmly as it was placed. Guidance is kept to an `interval` of sigma. What is None is as the
    model was made for. `on_step` may raise to stop early.

    A canvas of more latent frames than `window` is painted in a `segments` of links, which keeps
    the scene and its pace, and `on_segment` is told of each; without one in windows, all at a time,
    whose scenes may differ. A window as long as the canvas paints it as one, but what moves gets
    slower. A loop has no links, and is painted in windows.

    Whoever decodes with the footage encodes it first, and gives the same `CanvasLatent` to both.
    """
    encoded = canvas if isinstance(canvas, CanvasLatent) else encode_footage(pipeline, canvas)
    canvas, settings = encoded.canvas, pipeline.config.sampling
    grid = canvas.grid()
    length = min(grid.frames, settings.window if window is None else window)
    noise = seeded_noise(seed, (1, pipeline.config.transformer.latent_channels, *grid.shape))
    scale = settings.guidance if guidance is None else guidance
    script = read_script(pipeline, prompt, negative, canvas)
    windows = Windows(length, min(OVERLAP, length - 1))
    if interval is None:  # painting over firm footage begins at low noise, and needs guidance there
        interval = (0.0 if canvas.placements else settings.guided_to, 1.0)
    denoiser = GuidedDenoiser(
        pipeline.transformer,
        script,
        scale,
        footage_guidance,
        windows,
        settings.easing,
        interval,
        canvas.fps,
    )
    window_grid = replace(grid, frames=length)
    sigmas = shifted_sigmas(settings.steps if steps is None else steps, clip_shift(window_grid))
    known, mask = encoded.known, encoded.mask
    if segments is None or canvas.ring or length == grid.frames:
        period = grid.frames if canvas.ring else None
        denoise = denoiser.unconditioned(period=period)
        if canvas.placements:
            denoise = denoiser.conditioned((known, mask), period=period)
        return sampler_named(sampler, seed, noise)(denoise, noise, sigmas, on_step)

    def generate_segment(segment: Segment) -> Latent:
        part, steps = noise[:, :, segment.frames], len(sigmas) - 1
        before, total = segment.index * steps, segment.total * steps

        def on_segment_step(step: Step) -> None:
            on_step(Step(before + step.index, total, step.clean))

        footage, strength = (segment.known, segment.mask), segments.anchor * segment.overlap
        denoise = denoiser.conditioned(
            footage, segment.start, reference=segment.reference, anchored=strength
        )
        fresh = (seed + segment.index) % (MAX_SEED + 1)
        latent = sampler_named(sampler, fresh, part)(denoise, part, sigmas, on_segment_step)
        on_segment(segment, latent)
        return latent

    return generate_segments(generate_segment, known, mask, length, segments, script.weights)


def read_script(pipeline: Pipeline, prompt: str, negative: str, canvas: Canvas) -> Script:
    """What is told when on `canvas`: `prompt` wherever none of its own prompts is."""
    prompts = [clean_prompt(text) for text in (prompt, *(span.prompt for span in canvas.prompts))]
    weights: dict[str, Tensor] = {}  # a prompt said again is the same prompt
    for text, row in zip(prompts, prompt_weights(canvas), strict=True):
        weights[text] = weights[text] + row if text in weights else row
    words = encode(pipeline.encoder, pipeline.tokenizer, [*weights, clean_prompt(negative)])
    *texts, away = (row[there] for row, there in zip(words.states, words.mask, strict=True))
    return Script(texts, torch.stack(list(weights.values())), away)


def clip_shift(grid: Grid) -> float:
    """The schedule shift that suits a clip of `grid`."""
    return shift_for_cells(max(4, grid.cells))


def sampler_named(name: str, seed: int, like: Latent) -> Sampler:
    """The sampler called `name`; fresh noise, where it needs any, is drawn from `seed`."""
    match name:
        case "euler":
            return euler
        case "heun":
            return heun
        case "dpmpp_2m":
            return dpmpp_2m
        case "sde":
            b, c, t, y, x = like.shape
            device, dtype = like.device, like.dtype
            return partial(
                sde, noise=lambda i: seeded_noise(seed, (b, c, t, y, x), i + 1, device, dtype)
            )
    raise ConfigError(f"sampler {name[:40]!a}: choose one of {', '.join(SAMPLERS)}")
