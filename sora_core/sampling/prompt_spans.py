"""Prompts over spans of time: their weights in each latent frame, and a denoiser that blends them.

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
"""Key of a host's conditioning that holds its span in seconds: (start, end)."""

Seconds = tuple[float, float]
"""Start and end, in seconds."""


def span_weights(
    spans: Sequence[Seconds],
    frames: Sequence[Seconds],
    *,
    soft: float = SOFT_SECONDS,
    ring: bool = False,
    main: bool = True,
) -> Float[Tensor, "p t"]:
    """The weight of each prompt in each latent frame; the weights of a frame add up to 1.

    The first row is the main prompt, which fills the time outside all spans; the others are the
    spans, in order. `frames` are the start and end of each latent frame in seconds, in order and
    without gaps. At a border between spans the weights cross-fade over `soft` seconds. Overlapping
    spans share their time evenly.

    Without a `main` prompt there is no such row: a gap belongs to the span that ended last before
    it, and the time before all spans to the first. On a `ring` the end of the video borders on its
    start. A span's time beyond the end is ignored. ConfigError for a negative `soft`, and with
    neither a main prompt nor a span.
    """
    if soft < 0:
        raise ConfigError(f"soft border of {soft} seconds: choose 0 or more")
    if not (spans or main):
        raise ConfigError("neither a main prompt nor a span: write at least one prompt")
    begin, end = frames[0][0], frames[-1][1]
    edges = {min(max(second, begin), end) for span in spans for second in span}
    pieces = list(pairwise(sorted({begin, end} | edges)))
    shares = torch.tensor([_shares(spans, piece, main) for piece in pieces])
    # A frame covers its own time and half a border on each side; weights are shares of that.
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
    """The weight of each prompt within `piece`, a stretch in which no span begins or ends."""
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
    """The distinct spans of several conditionings, and for each conditioning the index of its span.

    `options` are the dictionaries of the conditionings; the span lies under `SPAN_KEY`. A
    conditioning without a span is the main prompt, which comes first as None.
    """
    named = [option.get(SPAN_KEY) for option in options]
    spans: list[Seconds | None] = [None] if None in named else []
    spans += dict.fromkeys(span for span in named if span is not None)
    return spans, [spans.index(span) for span in named]


def blend_denoisers(denoisers: Sequence[Denoise], weights: Float[Tensor, "p t"]) -> DenoiseAt:
    """The weighted mean of `denoisers`, one for each prompt and row of `weights`.

    The result takes the first frame of a clip, as `windowed_denoiser` and `loop_denoiser_at` call
    it; a clip that passes the last frame continues with the first. Denoisers whose weight is 0 in
    all frames of the clip are not called. ConfigError where the two numbers differ.
    """
    if len(denoisers) != len(weights):
        raise ConfigError(
            f"{len(denoisers)} prompts and weights for {len(weights)}: make the numbers equal"
        )

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
    """The weights of `frames` frames from `start` on; frame 0 follows the last frame."""
    return weights[:, (start + torch.arange(frames)) % weights.shape[1]]
