"""Prompt fidelity: clips generated from held-out prompts, to be read back by the classifier.

Axes: b batch, c channels, t frames, y rows, x columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from ..canvas.canvas import Canvas
from ..models.text_encoder import TextStates, encode
from ..pipeline.decode import decode_frames
from ..pipeline.generate import Pipeline
from ..sampling.guidance import guide
from ..sampling.noise import seeded_noise
from ..sampling.samplers import Denoise, Sigma, euler
from ..sampling.schedules import clip_shift, shifted_sigmas
from ..shapes import Frames, Latent, Size
from ..world.captions import describe
from ..world.scene import sample_scene
from .classifier import Labels

FIDELITY_SEED = 970_000_000
FIDELITY_BATCH = 8  # clips at once: at this size a CPU is faster with several


@dataclass(frozen=True, slots=True)
class ClipRequest:
    """A prompt, the labels that its clip should have, and the seed of its noise."""

    prompt: str
    asked: Labels
    seed: int


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """Sampling settings; None stands for the model's own."""

    steps: int | None = None
    guidance: float | None = None


def clip_requests(count: int, seed: int = 0) -> list[ClipRequest]:
    """`count` long captions of scenes with a held-out combination of shape, colour and motion.

    Short captions leave out the floor, the sky or the camera at random, so they are not used.
    """
    chosen = range(FIDELITY_SEED + seed, FIDELITY_SEED + seed + count)
    scenes = {i: sample_scene(i, held_out=True) for i in chosen}
    return [ClipRequest(describe(scene, i).long, scene.labels, i) for i, scene in scenes.items()]


def canvas_of_size(size: Size, fps: float) -> Canvas:
    """The empty canvas whose video has exactly `size`, at `fps`."""
    return Canvas(width=size.width, height=size.height, seconds=size.frames / fps, fps=fps)


@torch.inference_mode()
def generate_batch(
    pipeline: Pipeline, wanted: Sequence[ClipRequest], canvas: Canvas, settings: SampleSettings
) -> Latent:
    """One latent for each of `wanted`, equal to the result of `generate` for it alone."""
    config, grid = pipeline.config, canvas.grid()
    shape = (1, config.transformer.latent_channels, *grid.shape)
    noise = torch.cat([seeded_noise(wish.seed, shape) for wish in wanted])
    prompts = encode(pipeline.encoder, pipeline.tokenizer, [wish.prompt for wish in wanted])
    nothing = encode(pipeline.encoder, pipeline.tokenizer, [""])

    def denoiser_of(words: TextStates) -> Denoise:
        """The transformer as a denoiser, with `words` as its text."""
        states = words.states.expand(len(noise), -1, -1)
        mask = None if words.mask.all() else words.mask

        def denoise(x: Latent, sigma: Sigma) -> Latent:
            level = torch.as_tensor(sigma).view(1, 1, 1, 1, 1)
            return pipeline.transformer(x, level, states, mask)

        return denoise

    scale = config.sampling.guidance if settings.guidance is None else settings.guidance
    sigmas = shifted_sigmas(settings.steps or config.sampling.steps, clip_shift(grid))
    within = (config.sampling.guided_to, 1.0)
    guided = guide(denoiser_of(prompts), denoiser_of(nothing), scale, interval=within)
    return euler(guided, noise, sigmas)


def generated_clips(
    pipeline: Pipeline, wanted: Sequence[ClipRequest], canvas: Canvas, settings: SampleSettings
) -> Iterator[tuple[ClipRequest, Frames]]:
    """Each of `wanted` with its clip, batch by batch."""
    queue = iter(wanted)
    while batch := list(islice(queue, FIDELITY_BATCH)):
        latents = generate_batch(pipeline, batch, canvas, settings)
        for wish, latent in zip(batch, latents.split(1), strict=True):
            yield wish, torch.cat(list(decode_frames(pipeline, latent, canvas)))
