"""A step of training on the mix of the toy town: one packed row, against a batch of each shape.

`packed_of_bucketed` is how many times faster the packed row is. Forward and backward, without the
optimizer, which is the same for both; the results are compared in float32, and timed in bfloat16 as
training has it. Axes: b clips, l text tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from sora_core.measure.report import Figure
from sora_core.models.dit import DiT, DiTConfig
from sora_core.models.layers import written_out_attention
from sora_core.models.packing import PackedClip, denoise_packed, pad_texts

from .peers import stirred
from .race import Candidate, race, same

MIX = (((5, 8, 8), 8), ((9, 8, 8), 4), ((5, 8, 14), 3), ((1, 8, 8), 8), ((5, 12, 12), 3))
"""Latent shapes of the recipe `wide`, and how many clips of each a step of all has."""
SMOKE_MIX = (((2, 4, 4), 2), ((1, 4, 6), 2))
RATES = (8.0, 12.0, 16.0, 24.0)
WORDS = (12, 24, 18, 40)
DEPTH, WIDTH, TEXT_WIDTH, CHANNELS = 10, 256, 384, 16

Groups = Sequence[Sequence[PackedClip]]
Step = Callable[[DiT, Groups], list[Tensor]]


def run(rounds: int, smoke: bool) -> Iterator[Figure]:
    torch.manual_seed(0)
    config = DiTConfig(width=WIDTH, depth=1 if smoke else DEPTH, positions="metric")
    model = stirred(DiT(config))
    groups = [
        [
            PackedClip(
                torch.randn(1, CHANNELS, *shape),
                torch.rand(1, 1, 1, 1, 1),
                torch.randn(1, WORDS[i % len(WORDS)], TEXT_WIDTH),
                fps=RATES[i % len(RATES)],
            )
            for i in range(count)
        ]
        for shape, count in (SMOKE_MIX if smoke else MIX)
    ]
    steps_of = {"bucketed": bucketed, "packed": packed}
    expected = train(bucketed, model, groups)
    for name, found, wanted in zip(
        ("loss", "gradient"), train(packed, model, groups), expected, strict=True
    ):
        yield same(f"training/packed/{name}", found, wanted)
    steps = {
        name: Candidate(partial(halved, step, model, groups)) for name, step in steps_of.items()
    }
    done = race("training", steps, rounds)
    yield from done.figures()
    yield from done.verdict("training/packed_of_bucketed", "packed")


def train(step: Step, model: DiT, groups: Groups) -> tuple[Tensor, Tensor]:
    """The loss and all gradients of a step, the gradients in one row."""
    model.zero_grad()
    loss = torch.stack(step(model, groups)).mean()
    loss.backward()
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return loss.detach()[None], torch.cat(gradients)


def halved(step: Step, model: DiT, groups: Groups) -> None:
    """A step in the precision that training has."""
    with torch.autocast("cpu", torch.bfloat16):
        train(step, model, groups)


def packed(model: DiT, groups: Groups) -> list[Tensor]:
    """The error of each clip, of one row that has all of them."""
    clips = [clip for group in groups for clip in group]
    predicted = denoise_packed(model, clips)
    return [(m - clip.latent).square().mean() for m, clip in zip(predicted, clips, strict=True)]


def bucketed(model: DiT, groups: Groups) -> list[Tensor]:
    """The error of each clip, of a batch for each latent shape."""
    errors: list[Tensor] = []
    for group in groups:
        text, mask = pad_texts([clip.text[0] for clip in group])
        latent = torch.cat([clip.latent for clip in group])
        predicted = model(
            latent,
            torch.cat([clip.sigma for clip in group]),
            text,
            mask,
            fps=torch.tensor([clip.fps for clip in group]),
            attend=written_out_attention,
        )
        errors += (predicted - latent).square().flatten(1).mean(1).unbind()
    return errors
