"""Training on clips of mixed sizes: one packed row, against one padded batch with a mask.

Axes: b clips, n tokens of the longest clip, l text tokens of the longest text, d width.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence

from sora_core.measure.report import Figure
from sora_core.models.dit import DiT, DiTConfig
from sora_core.models.packing import PackedClip, denoise_packed, pad_texts
from sora_core.models.patchify import patch_positions, patchify, unpatchify
from sora_core.shapes import Latent

from .peers import TEXT_WIDTH, WIDTH, stirred
from .race import Candidate, race, same

CHANNELS = 16
GRIDS = ((1, 16, 16), (5, 12, 20), (5, 20, 12), (9, 16, 16))  # 64, 300, 300 and 576 tokens
SMOKE_GRIDS = ((1, 8, 8), (3, 6, 10), (3, 10, 6), (4, 8, 8))
WORDS = (12, 24, 36, 64)
DEPTH = 4

Variant = Callable[[DiT, Sequence[PackedClip]], list[Latent]]


def run(rounds: int, smoke: bool) -> Iterator[Figure]:
    """The errors of packed and single clips against the padded batch, and their race."""
    torch.manual_seed(0)
    config = DiTConfig(width=WIDTH, depth=1 if smoke else DEPTH, text_width=TEXT_WIDTH)
    model = stirred(DiT(config))
    clips = [
        PackedClip(
            torch.randn(1, CHANNELS, *grid),
            torch.rand(1, 1, 1, 1, 1),
            torch.randn(1, words, TEXT_WIDTH),
        )
        for grid, words in zip(SMOKE_GRIDS if smoke else GRIDS, WORDS, strict=True)
    ]
    variants: dict[str, Variant] = {"padded": padded, "packed": denoise_packed, "alone": alone}
    expected, gradients = train(padded, model, clips)
    for name in ("packed", "alone"):
        result, result_gradients = train(variants[name], model, clips)
        yield same(f"packing/{name}/output", result, expected)
        yield same(f"packing/{name}/gradient", result_gradients, gradients)

    steps = {
        name: Candidate(partial(train, variant, model, clips)) for name, variant in variants.items()
    }
    done = race("packing", steps, rounds)
    yield from done.figures()
    yield from done.verdict("packing/vs_padded", "packed")
    yield from done.verdict("packing/alone_vs_padded", "alone")


def train(variant: Variant, model: DiT, clips: Sequence[PackedClip]) -> tuple[Tensor, Tensor]:
    """All clean latents and all gradients of a step of training, each in one row."""
    model.zero_grad()
    result = torch.cat([latent.flatten() for latent in variant(model, clips)])
    result.square().mean().backward()
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return result.detach(), torch.cat(gradients)


def alone(model: DiT, clips: Sequence[PackedClip]) -> list[Latent]:
    return [model(clip.latent, clip.sigma, clip.text) for clip in clips]


def padded(model: DiT, clips: Sequence[PackedClip]) -> list[Latent]:
    """The clean latent of each clip, computed in a batch where all are as long as the longest."""
    lengths = [clip.tokens for clip in clips]
    words, words_mask = pad_texts([clip.text[0] for clip in clips])
    mask = pad_sequence([torch.ones(n, dtype=torch.bool) for n in lengths], True)

    def attend(q: Tensor, k: Tensor, v: Tensor, _: None) -> Tensor:
        return scaled_dot_product_attention(q, k, v, mask[:, None, None])

    clean = model.transform(
        pad_sequence([patchify(clip.latent)[0] for clip in clips], True),
        torch.cat([clip.sigma[:, 0, :, 0, 0] for clip in clips]),
        pad_sequence([patch_positions(clip.grid) for clip in clips], True),
        words,
        words_mask,
        attend,
        scaled_dot_product_attention,
    )
    rows = zip(clean.split(1), clips, strict=True)
    return [unpatchify(row[:, : clip.tokens], clip.grid) for row, clip in rows]
