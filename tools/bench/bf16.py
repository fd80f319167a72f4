"""Sampling and decoding with products in bfloat16, against float32 and the host's Wan block.

- `dit_vs_fp32`: one prediction of a transformer of the size and at the tokens of the suite `dit`.
  Beside it the transformer of the recipe `wide` over one model call at its native 96 pixels
  (`dit_vs_fp32_native`, 324 tokens), and over a clip of 64 (`dit_vs_fp32_64`, 80 tokens): the fewer
  tokens, the larger is the share of what is no product.
- `decode_vs_fp32`: a native clip decoded in chunks; `decode_vs_fp32_64` one of 64 pixels.
- `dit_vs_wan`: a block of the first transformer in this precision against a block of ComfyUI's Wan
  of the same width, heads, hidden layer, tokens and words, whole in bfloat16.
- `quality`: clips of held-out prompts from the released model in both precisions, of equal noise:
  their PSNR against each other, and what the attribute classifier reads in them.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from math import prod
from statistics import median

import torch
from torch import Tensor, nn

from sora_core.measure.classifier import classify, load_classifier
from sora_core.measure.fidelity import (
    SampleSettings,
    canvas_of_size,
    clip_requests,
    generated_clips,
)
from sora_core.measure.report import Figure, decibels
from sora_core.models.autoencoder import Autoencoder, AutoencoderConfig
from sora_core.models.chunked_codec import decode_chunks
from sora_core.models.dit import DiT, DiTBlock, DiTConfig
from sora_core.models.half_layers import attention
from sora_core.models.precision import (
    FAST_PRECISION,
    decode_in_bfloat16,
    has_bfloat16,
    sample_in_bfloat16,
)
from sora_core.pipeline.generate import load
from sora_core.shapes import Frames, Size
from sora_core.training.town_recipes import wide
from tools.pack import load_comfyui

from .peers import DEPTH, TEXT_TOKENS, WIDTH, stirred
from .race import Candidate, Race, race

LARGE = (5, 32, 32)  # latent of the suite `dit`: 1280 tokens
NATIVE, SMALL = (9, 12, 12), (5, 8, 8)  # latents of 33 frames of 96 pixels, 17 of 64
SMOKE = (2, 4, 4)
LEVEL = 0.7
APART = 0.05  # root mean square of the difference, of the result, that bfloat16 may make
QUALITY_CLIPS, SMOKE_CLIPS = 24, 1
CLIP = Size(64, 64, 17)

Shape = tuple[int, int, int]
"""Frames, rows and columns of a latent."""


def run(rounds: int, smoke: bool) -> Iterator[Figure]:
    """The races in both precisions, and the quality.

    `bf16/native` is 1 if the CPU multiplies bfloat16 itself.
    """
    yield Figure("bf16/native", float(has_bfloat16()))
    torch.manual_seed(0)
    with torch.inference_mode():
        large, small = DiTConfig(width=WIDTH, depth=2 if smoke else DEPTH), wide().transformer
        for name, config, shape in (
            ("", large, LARGE),
            ("_native", small, NATIVE),
            ("_64", small, SMALL),
        ):
            yield from prediction(name, config, SMOKE if smoke else shape, rounds)
        for name, shape in (("", NATIVE), ("_64", SMALL)):
            yield from decoding(name, SMOKE if smoke else shape, rounds)
        yield from beside_wan(large, SMOKE if smoke else LARGE, rounds)
    yield from quality(SMOKE_CLIPS if smoke else QUALITY_CLIPS, 2 if smoke else None)


def prediction(name: str, config: DiTConfig, shape: Shape, rounds: int) -> Iterator[Figure]:
    """A transformer in both precisions at a latent of `shape`."""
    exact = stirred(DiT(config)).requires_grad_(False)
    fast = deepcopy(exact)
    sample_in_bfloat16(fast)
    latent, text = torch.randn(1, 16, *shape), torch.randn(1, TEXT_TOKENS, config.text_width)
    level = torch.full((1, 1, 1, 1, 1), LEVEL)
    yield from both(
        f"dit{name}", lambda: exact(latent, level, text), lambda: fast(latent, level, text), rounds
    )


def decoding(name: str, shape: Shape, rounds: int) -> Iterator[Figure]:
    """The decoder of generated frames in both precisions at a latent of `shape`."""
    exact = Autoencoder(AutoencoderConfig()).eval().requires_grad_(False)
    fast = deepcopy(exact)
    decode_in_bfloat16(fast)
    latent = torch.randn(1, exact.config.latent_channels, *shape)

    def decoded(autoencoder: Autoencoder) -> Tensor:
        return torch.cat(list(decode_chunks(autoencoder, latent)), dim=2)

    yield from both(f"decode{name}", lambda: decoded(exact), lambda: decoded(fast), rounds)


def both(
    name: str, exact: Callable[[], Tensor], fast: Callable[[], Tensor], rounds: int
) -> Iterator[Figure]:
    """The race of `fast` against `exact`, and how far apart their results are."""
    expected = exact()
    apart = ((fast() - expected).norm() / expected.norm()).item()
    if not apart < APART:
        raise ArithmeticError(f"bf16/{name}: {apart:.3g} apart, at most {APART}")
    yield Figure(f"bf16/{name}/apart", apart)
    done = race(f"bf16/{name}", {"fp32": Candidate(exact), "bf16": Candidate(fast)}, rounds)
    kind, _, size = name.partition("_")
    yield from outcome(done, f"bf16/{kind}_vs_fp32{'_' * bool(size)}{size}")


def outcome(done: Race, key: str) -> Iterator[Figure]:
    yield from done.figures()
    yield from done.verdict(key, "bf16")


def beside_wan(config: DiTConfig, shape: Shape, rounds: int) -> Iterator[Figure]:
    """A block of ours against one of ComfyUI's Wan, both in bfloat16."""
    tokens = prod(shape) // config.patch**2
    wan = wan_block(config, tokens)
    done = race(
        "bf16/block",
        {"wan": Candidate(wan), "bf16": Candidate(our_block(config, tokens))},
        rounds,
    )
    yield from outcome(done, "bf16/dit_vs_wan")


def our_block(config: DiTConfig, tokens: int) -> Callable[[], Tensor]:
    """A call of a block of ours on `tokens` tokens and `TEXT_TOKENS` words."""
    model = stirred(DiT(config)).requires_grad_(False)
    sample_in_bfloat16(model)
    block, width = model.blocks[0], config.width
    assert isinstance(block, DiTBlock)
    x, words, level = (torch.randn(1, n, width) for n in (tokens, TEXT_TOKENS, 1))
    cos, sin = torch.randn(2, 1, 1, tokens, 32)
    return lambda: block(x, level, words, None, cos, sin, attention, attention, None)


def wan_block(config: DiTConfig, tokens: int) -> Callable[[], Tensor]:
    """A call of the same on a block of the host's Wan, of random weights."""
    load_comfyui()
    import comfy.ops
    from comfy.ldm.flux.math import rope
    from comfy.ldm.wan.model import WanAttentionBlock

    half = torch.bfloat16
    settings = {"operations": comfy.ops.disable_weight_init, "device": None, "dtype": half}
    width, heads = config.width, config.width // 64
    block = WanAttentionBlock(
        "t2v_cross_attn",
        width,
        width * config.mlp_ratio,
        heads,
        cross_attn_norm=True,
        operation_settings=settings,
    )
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=width**-0.5)
    x, words, levels = (torch.randn(1, n, width).to(half) for n in (tokens, TEXT_TOKENS, 6))
    turns = rope(torch.arange(tokens)[None], 64, 10_000)[:, :, None]  # b n 1 k 2 2
    return lambda: block(x, levels, turns, words)


def quality(clips: int, steps: int | None) -> Iterator[Figure]:
    """The PSNR of clips in both precisions, and the share of equal answers of the classifier."""
    reader, wanted = load_classifier(), clip_requests(clips)
    videos: list[list[Frames]] = []
    for precision in ("float32", FAST_PRECISION):
        pipeline = load(precision=precision)
        canvas = canvas_of_size(CLIP, pipeline.config.fps)
        found = generated_clips(pipeline, wanted, canvas, SampleSettings(steps=steps))
        videos.append([frames for _, frames in found])
    pairs = list(zip(*videos, strict=True))
    psnr = [
        decibels(((exact.float() - fast.float()) / 255).square().mean().item())
        for exact, fast in pairs
    ]
    answers = [[classify(reader, frames) for frames in each] for each in videos]
    asked = [wish.asked for wish in wanted]
    yield Figure("bf16/quality/psnr", median(psnr), "dB")
    yield Figure("bf16/quality/psnr_min", min(psnr), "dB")
    yield Figure("bf16/quality/read_the_same", equal_share(*answers))
    for precision, read in zip(("fp32", "bf16"), answers, strict=True):
        yield Figure(f"bf16/quality/fidelity_{precision}", equal_share(asked, read))


def equal_share(asked: list, read: list) -> float:
    """The share of the labels `asked` for that are equal in `read`, over all clips."""
    equal = [a[name] == r[name] for a, r in zip(asked, read, strict=True) for name in a]
    return sum(equal) / len(equal)
