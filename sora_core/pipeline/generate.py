"""From a prompt and a canvas to a latent.

Axes: b batch, c channels, t frames, y rows, x columns, l text tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from ..canvas.canvas import Canvas
from ..canvas.canvas_latent import CanvasLatent
from ..canvas.encode import encode_canvas
from ..checkpoints.checkpoint import (
    CheckpointConfig,
    load_autoencoder,
    load_transformer,
    read_config,
)
from ..checkpoints.lora_file import merge_lora, read_few_steps
from ..checkpoints.text_file import load_text
from ..errors import ConfigError
from ..models.autoencoder import Autoencoder
from ..models.chunked_codec import encode_chunks
from ..models.dit import DiT
from ..models.precision import (
    BFLOAT16,
    FLOAT32,
    checked_precision,
    decode_in_bfloat16,
    sample_in_bfloat16,
)
from ..models.text_encoder import TextEncoder
from ..models.tokenizer import Tokenizer
from ..paths import released_folder
from ..resume.fingerprint import tensor_sample
from ..sampling.drift import DriftMonitor
from ..sampling.guidance import GuidanceScale
from ..sampling.inpaint import mask_by_frame
from ..sampling.noise import seeded_noise
from ..sampling.samplers import Step, dpmpp_2m, euler, heun, sde
from ..sampling.schedules import clip_shift, shifted_sigmas
from ..sampling.segments import Segment, SegmentSettings
from ..sampling.windows import Windows
from ..shapes import Latent
from .denoiser import GuidedDenoiser, ring_start
from .script import read_script
from .segment_runner import SegmentRunner, SegmentTask, VideoTask
from .temporal_plan import OVERLAP, TemporalPlan

MODELS = released_folder()
SHIPPED = "sora-mini.safetensors"

SEGMENT_SETTINGS = SegmentSettings()
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


def load(
    path: Path = MODELS / SHIPPED, precision: str = FLOAT32, lora: Path | None = None
) -> Pipeline:
    """The model in the file at `path`, in float32 on the CPU, with a LoRA added to its weights.

    A LoRA for few steps brings its sampling settings. With the `precision` bfloat16 what is
    generated is sampled and decoded with products in bfloat16, if the processor has them
    (`has_bfloat16`): faster, and other numbers. Footage is encoded, held and decoded in float32
    all the same. ConfigError for another precision; WeightsError for the LoRA of another model.
    """
    config, half = read_config(path), checked_precision(precision) == BFLOAT16
    transformer, autoencoder = load_transformer(path, config), load_autoencoder(path, config)
    if lora is not None:
        merge_lora(transformer, lora)
        if few := read_few_steps(lora):
            sampling = replace(config.sampling, steps=few.steps, guidance=few.guidance)
            config = replace(config, sampling=sampling)
    if half:
        sample_in_bfloat16(transformer)
        decode_in_bfloat16(autoencoder)
    return Pipeline(config, transformer, autoencoder, *load_text(path))


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
    rescale: float = 0.0,
    negative: str = "",
    sampler: str = "euler",
    segments: SegmentSettings | None = SEGMENT_SETTINGS,
    window: int | None = None,
    jobs_folder: Path | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
    on_segment: Callable[[Segment, Latent], None] = lambda segment, latent: None,
    on_report: Callable[[str], None] = lambda report: None,
) -> Latent:
    """The latent that shows `prompt` on `canvas`; the same numbers for the same seed.

    The canvas' own prompts apply in their seconds, `prompt` in all others. Footage has the firmness
    of its placement. Guidance is confined to an `interval` of sigma, and `rescale` in [0, 1]
    reduces the contrast that it adds. None selects the model's own settings. `on_step` may raise to
    stop early.

    A canvas of more latent frames than `window` is generated in `segments`, which keep the scene
    and its pace; `on_segment` receives each. Where `segments` is None, overlapping windows are
    denoised jointly, and their scenes may differ. A window as long as the canvas generates it in
    one call, but motion slows down. A loop has no segments and is generated in windows.

    Below `jobs_folder` finished segments and predictions are cached: a call that was stopped
    resumes there. `on_report` gets sentences for the user: what was resumed, and drift.

    To decode with the footage, encode the canvas first and pass its `CanvasLatent` to both calls.
    """
    encoded = canvas if isinstance(canvas, CanvasLatent) else encode_footage(pipeline, canvas)
    canvas, config = encoded.canvas, pipeline.config
    settings, grid = config.sampling, canvas.grid()
    length = min(grid.frames, settings.window if window is None else window)
    plan = TemporalPlan(
        grid,
        Windows(length, min(OVERLAP, length - 1)),
        ring=canvas.ring,
        in_segments=segments is not None,
        cut_everywhere=True,
        ring_place=ring_start(config.transformer),
    )
    if interval is None:  # editing firm footage begins at low noise, and needs guidance there
        interval = (0.0 if canvas.placements else settings.guided_to, 1.0)
    scale = GuidanceScale(
        settings.guidance if guidance is None else guidance, footage_guidance, rescale, interval
    )
    script = read_script(pipeline.encoder, pipeline.tokenizer, prompt, negative, canvas)
    denoiser = GuidedDenoiser(
        pipeline.transformer, script, scale, plan, settings.easing, canvas.fps
    )
    sigmas = shifted_sigmas(settings.steps if steps is None else steps, clip_shift(plan.window))

    def sample(task: SegmentTask) -> Latent:
        segment = task.segment

        def on_segment_step(step: Step) -> None:
            on_step(Step(*segment.step_of_all(step.index, step.total), step.clean))

        mask = mask_by_frame(segment.mask)
        footage = (segment.known, mask) if plan.segmented or canvas.placements else None
        denoise = denoiser.denoiser(footage, segment.start)
        denoise = task.denoiser(denoise, segment.known, mask, segment.reference)
        method = sampler_named(sampler, task.seed or 0, task.noise)
        return method(denoise, task.noise, sigmas, on_segment_step)

    video = VideoTask(
        encoded.known,
        encoded.mask,
        seeded_noise(seed, (1, config.transformer.latent_channels, *grid.shape)),
        seed,
        script.texts,
        script.weights,
        script.weights,
        canvas.description,
    )
    monitor = DriftMonitor.from_factors(config.colours.factors)
    runner = SegmentRunner(video, segments or SEGMENT_SETTINGS, plan.segment_frames, monitor)
    job = None
    if jobs_folder is not None and plan.resumable:
        shared = [model_identity(pipeline), denoiser.identity, sigmas, sampler]
        job = runner.open_job(jobs_folder, shared)

    def on_finished(segment: Segment, part: Latent, restored: bool) -> None:
        if plan.segmented:
            on_segment(segment, part)

    latent, report = runner.run(sample, job, on_finished)
    if report:
        on_report(report)
    return latent


def model_identity(pipeline: Pipeline) -> list[object]:
    """The identity of this transformer across restarts: settings and samples of weights."""
    weights = pipeline.transformer.state_dict()
    samples = {name: tensor_sample(weight) for name, weight in weights.items()}
    return [pipeline.config, samples, torch.__version__]


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
    raise ConfigError(f"sampler {name[:40]!a:.42}: choose one of {', '.join(SAMPLERS)}")
