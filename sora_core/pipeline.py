"""From a prompt and a canvas to a latent, and from a latent to frames.

Axes: b batch, c channels, t frames, y rows, x columns, l text tokens.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from einops import repeat
from torch import Tensor

from .bundle import BundleConfig, load_autoencoder, load_transformer, read_config
from .canvas import Canvas
from .encode import encode_canvas
from .errors import ConfigError
from .models.autoencoder import Autoencoder
from .models.dit import DiT
from .models.patches import PATCH
from .models.streaming import decode_chunks, decode_ring, encode_chunks
from .models.text import TextEncoder, TextStates, encode
from .models.tokens import Tokenizer
from .prompts.sanitize import clean_prompt
from .sampling.guidance import guide
from .sampling.hold import hold
from .sampling.noise import draw
from .sampling.ring import ring
from .sampling.samplers import dpmpp_2m, euler, heun, sde
from .sampling.schedules import shift_for_tokens, shifted
from .sampling.step import Denoise, Sigma, Step
from .shapes import Frames, Grid, Latent, Size, Video, crop
from .video.frames import frames_from_video

MODELS = Path(__file__).resolve().parents[1] / "models"
SHIPPED = "sora-mini.safetensors"

BATCHED_TOKENS = 128  # on a CPU, larger clips sample faster one after the other

Sampler = Callable[..., Latent]
SAMPLERS = ("euler", "heun", "dpmpp_2m", "sde")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A whole model, ready to use."""

    config: BundleConfig
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
        TextEncoder.load(),
        Tokenizer.load(),
    )


@torch.inference_mode()
def generate(
    pipeline: Pipeline,
    prompt: str,
    canvas: Canvas,
    seed: int = 0,
    *,
    steps: int | None = None,
    guidance: float | None = None,
    negative: str = "",
    sampler: str = "euler",
    on_step: Callable[[Step], None] = lambda step: None,
) -> Latent:
    """The latent that paints `prompt` on `canvas`; the same numbers for the same seed.

    Footage on the canvas is kept as firmly as it was placed. What is None is as the model was made
    for. `on_step` may raise to stop early.
    """
    config = pipeline.config
    grid = canvas.grid()
    noise = draw(seed, (1, config.transformer.latent_channels, *grid.shape))
    sigmas = shifted(config.sampling.steps if steps is None else steps, clip_shift(grid))
    texts = [clean_prompt(prompt), clean_prompt(negative)]
    words = encode(pipeline.encoder, pipeline.tokenizer, texts)
    scale = config.sampling.guidance if guidance is None else guidance
    denoise = guided_by_text(pipeline.transformer, words, scale)
    if canvas.ring:
        denoise = ring(denoise, grid.frames)
    if canvas.placements:
        encode_footage = partial(encode_chunks, pipeline.autoencoder)
        denoise = hold(denoise, *encode_canvas(canvas, encode_footage, noise.shape[1]))
    return sampler_named(sampler, seed, noise)(denoise, noise, sigmas, on_step)


def clip_tokens(grid: Grid) -> int:
    """How many tokens the transformer sees of a clip that covers `grid`."""
    return max(1, grid.cells // PATCH**2)


def clip_shift(grid: Grid) -> float:
    """The schedule shift that suits a clip of `grid`."""
    return shift_for_tokens(clip_tokens(grid))


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
            return partial(sde, noise=lambda i: draw(seed, (b, c, t, y, x), i + 1, device, dtype))
    raise ConfigError(f"sampler {name[:40]!a}: choose one of {', '.join(SAMPLERS)}")


def guided_by_text(model: DiT, words: TextStates, scale: float) -> Denoise:
    """A denoiser led by the first of `words` and away from the second."""

    def denoise(x: Latent, sigma: Sigma, states: Tensor, mask: Tensor | None) -> Latent:
        level = sigma if isinstance(sigma, Tensor) else x.new_full((1, 1, 1, 1, 1), sigma)
        return model(x, level, states, mask)

    def alone(row: int) -> Denoise:
        length = int(words.mask[row].sum())
        return partial(denoise, states=words.states[row : row + 1, :length], mask=None)

    def together(x: Latent, sigma: Sigma) -> Latent:
        both = denoise(repeat(x, "1 c t y x -> 2 c t y x"), sigma, words.states, words.mask)
        towards, away = both.chunk(2)
        return guide(lambda *_: towards, lambda *_: away, scale)(x, sigma)

    def guided(x: Latent, sigma: Sigma) -> Latent:
        few = x.is_cuda or clip_tokens(Grid(*x.shape[2:])) < BATCHED_TOKENS
        if few and scale != 1:
            return together(x, sigma)
        return guide(alone(0), alone(1), scale)(x, sigma)

    return guided


def decode_frames(pipeline: Pipeline, latent: Latent, canvas: Canvas) -> Iterator[Frames]:
    """The frames of `latent` in chunks, exactly as large and as many as `canvas` asks for."""
    decode = decode_ring if canvas.ring else decode_chunks
    with torch.inference_mode():
        for video in cropped(decode(pipeline.autoencoder, latent), canvas.size):
            yield frames_from_video(video[0])


def cropped(chunks: Iterable[Video], size: Size) -> Iterator[Video]:
    """`chunks` of a video, cropped to `size` as one."""
    left = size.frames
    for chunk in chunks:
        frames = min(left, chunk.shape[2])
        yield crop(chunk, Size(size.width, size.height, frames))
        left -= frames
        if left == 0:
            return
