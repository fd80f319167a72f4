"""Prompts over spans of time: how much each counts in each latent frame, and a denoiser of several.

Axes: p prompts, t latent frames; b c t y x as in shapes.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError
from ..shapes import Latent
from .samplers import Denoise, Sigma
from .windows import DenoiseAt

SOFT_SECONDS = 0.5  # seconds over which one prompt turns into the next
SPAN_KEY = "sora_span"
"""The key under which a host's conditioning says the seconds it is for: (start, end)."""

Seconds = tuple[float, float]
"""From when until when."""


def span_weights(
    spans: Sequence[Seconds],
    frames: Sequence[Seconds],
    *,
    soft: float = SOFT_SECONDS,
    ring: bool = False,
    main: bool = True,
) -> Float[Tensor, "p t"]:
    """How much each prompt counts in each latent frame; each frame's weights add up to 1.

    The first row is the main prompt, which counts wherever no span does; then a row for each span.
    `frames` are the seconds that each latent frame stands for, in order and without gaps; where one
    span meets the next, weights cross over within `soft` seconds. Spans that overlap share their
    time evenly. Without a `main` prompt its row is left out: a gap belongs to the span that ended
    last before it, and what is before the first span to that one. On a `ring` the end borders on
    the start; what a span has beyond the end is ignored.
    """
    if soft < 0:
        raise ConfigError(f"soft border of {soft} seconds: choose 0 or more")
    if not (spans or main):
        raise ConfigError("neither a main prompt nor any span: give at least one")
    begin, end = frames[0][0], frames[-1][1]
    edges = {min(max(second, begin), end) for span in spans for second in span}
    pieces = list(pairwise(sorted({begin, end} | edges)))
    shares = torch.tensor([_shares(spans, piece, main) for piece in pieces])
    # What a frame tells of is its own time and half a border on each side: the weights are shares.
    length, reach = end - begin, soft / 2
    laps = (-length, 0.0, length) if ring else (0.0,)
    totals = torch.tensor(
        [
            [
                sum(
                    max(0.0, min(high + lap, last + reach) - max(low + lap, first - reach))
                    for lap in laps
                )
                for first, last in frames
            ]
            for low, high in pieces
        ]
    )
    return shares.T @ (totals / totals.sum(0))


def _shares(spans: Sequence[Seconds], piece: Seconds, main: bool) -> list[float]:
    """How much each prompt counts within `piece`, which no span begins or ends in."""
    middle = sum(piece) / 2
    inside = [i for i, (start, end) in enumerate(spans) if start <= middle < end]
    if not inside and not main:
        over = [i for i, (_, end) in enumerate(spans) if end <= middle]
        if over:
            inside = [max(over, key=lambda i: spans[i][1])]
        else:
            inside = [min(range(len(spans)), key=lambda i: spans[i][0])]
    shares = [1 / len(inside) if i in inside else 0.0 for i in range(len(spans))]
    return [*([0.0 if inside else 1.0] if main else []), *shares]


def spans_of(options: Sequence[Mapping[str, Any]]) -> tuple[list[Seconds | None], list[int]]:
    """The distinct spans that `options` of conditionings name under `SPAN_KEY`, and of each
    conditioning which one; None, where any is without a span, is the main prompt and the first."""
    named = [option.get(SPAN_KEY) for option in options]
    spans: list[Seconds | None] = [None] if None in named else []
    spans += dict.fromkeys(span for span in named if span is not None)
    return spans, [spans.index(span) for span in named]


def blend_denoisers(denoisers: Sequence[Denoise], weights: Float[Tensor, "p t"]) -> DenoiseAt:
    """A denoiser of several, each counting in each frame as its row of `weights` says.

    Works with any model. It is told where a part of the video begins, as `windows` and `ring_at`
    do, and calls only what counts anywhere within that part; a part that goes beyond the last frame
    goes on with the first.
    """
    if len(denoisers) != len(weights):
        raise ConfigError(f"{len(denoisers)} prompts, weights for {len(weights)}: give as many")

    def at(start: int) -> Denoise:
        def blended(x: Latent, sigma: Sigma) -> Latent:
            here = weights_at(weights, start, x.shape[2]).to(x)
            counting = [i for i, row in enumerate(here) if bool(row.any())]
            if len(counting) == 1:
                return denoisers[counting[0]](x, sigma)
            total = torch.zeros_like(x)
            for i in counting:
                total += here[i, :, None, None] * denoisers[i](x, sigma)
            return total

        return blended

    return at


def weights_at(weights: Float[Tensor, "p t"], start: int, frames: int) -> Float[Tensor, "p t2"]:
    """The weights in `frames` frames from `start` on; after the last frame comes the first."""
    return weights[:, (start + torch.arange(frames)) % weights.shape[1]]
