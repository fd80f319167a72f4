"""Whether clips show what their prompts say: prompts never trained on, painted and read back.

Axes: b batch, c channels, t frames, y rows, x columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from ..canvas import Canvas
from ..models.text import TextStates, encode
from ..pipeline import Pipeline, clip_shift, decode_frames
from ..sampling.guidance import guide
from ..sampling.noise import draw
from ..sampling.samplers import euler
from ..sampling.schedules import shifted
from ..sampling.step import Denoise, Sigma
from ..shapes import Frames, Latent, Size
from ..world.captions import describe
from ..world.scene import sample_scene
from .reader import Labels

FIRST_SEED = 970_000_000
BATCH = 8  # clips at once: at this size a CPU is faster with several


@dataclass(frozen=True, slots=True)
class Wish:
    """A prompt that states every answer, and the seed of the noise to start from."""

    prompt: str
    asked: Labels
    seed: int


@dataclass(frozen=True, slots=True)
class Settings:
    """How to sample; what is None is as the model was made for."""

    steps: int | None = None
    guidance: float | None = None


def wishes(count: int, seed: int = 0) -> list[Wish]:
    """`count` long captions of scenes with a held-out combination of shape, colour and motion.

    Long ones, for short ones leave out the floor, the sky or the camera as they please.
    """
    chosen = range(FIRST_SEED + seed, FIRST_SEED + seed + count)
    scenes = {i: sample_scene(i, held_out=True) for i in chosen}
    return [Wish(describe(scene, i).long, scene.labels, i) for i, scene in scenes.items()]


def canvas_for(size: Size, fps: float) -> Canvas:
    """The canvas that comes out as exactly `size`."""
    return Canvas(width=size.width, height=size.height, seconds=size.frames / fps, fps=fps)


@torch.inference_mode()
def paint(pipeline: Pipeline, wanted: Sequence[Wish], canvas: Canvas, settings: Settings) -> Latent:
    """One latent for each of `wanted`, the same as `generate` makes of them one by one."""
    config, grid = pipeline.config, canvas.grid()
    shape = (1, config.transformer.latent_channels, *grid.shape)
    noise = torch.cat([draw(wish.seed, shape) for wish in wanted])
    prompts = encode(pipeline.encoder, pipeline.tokenizer, [wish.prompt for wish in wanted])
    nothing = encode(pipeline.encoder, pipeline.tokenizer, [""])

    def told(words: TextStates) -> Denoise:
        states = words.states.expand(len(noise), -1, -1)
        mask = None if words.mask.all() else words.mask

        def denoise(x: Latent, sigma: Sigma) -> Latent:
            level = torch.as_tensor(sigma).view(1, 1, 1, 1, 1)
            return pipeline.transformer(x, level, states, mask)

        return denoise

    scale = config.sampling.guidance if settings.guidance is None else settings.guidance
    sigmas = shifted(settings.steps or config.sampling.steps, clip_shift(grid))
    within = (config.sampling.guided_to, 1.0)
    guided = guide(told(prompts), told(nothing), scale, interval=within)
    return euler(guided, noise, sigmas)


def painted(
    pipeline: Pipeline, wanted: Sequence[Wish], canvas: Canvas, settings: Settings
) -> Iterator[tuple[Wish, Frames]]:
    """Each of `wanted` with its clip, as soon as it is painted."""
    queue = iter(wanted)
    while batch := list(islice(queue, BATCH)):
        latents = paint(pipeline, batch, canvas, settings)
        for wish, latent in zip(batch, latents.split(1), strict=True):
            yield wish, torch.cat(list(decode_frames(pipeline, latent, canvas)))
