"""Prompts over spans of time: their weights in each latent frame, and predictions blended by them.

Axes: p prompts, t latent frames; b c t y x as in shapes.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError, check_range
from ..shapes import Latent

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
    check_range("soft border", soft, 0, unit="s")
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


def counting_prompts(weights: Float[Tensor, "p t"]) -> list[int]:
    """The rows of `weights` that count in any of its frames."""
    return [i for i, row in enumerate(weights) if bool(row.any())]


def blend_predictions(predictions: Sequence[Latent], weights: Float[Tensor, "p t"]) -> Latent:
    """The mean of `predictions`, one for each row of `weights`, weighted frame by frame.

    A single prediction is returned as it is. ConfigError where the two numbers differ.
    """
    if len(predictions) != len(weights):
        raise ConfigError(
            f"{len(predictions)} prompts and weights for {len(weights)}: make the numbers equal"
        )
    if len(predictions) == 1:
        return predictions[0]
    total = torch.zeros_like(predictions[0])
    for clean, row in zip(predictions, weights.to(total), strict=True):
        total += row[:, None, None] * clean
    return total


def weights_at(weights: Float[Tensor, "p t"], start: int, frames: int) -> Float[Tensor, "p t2"]:
    """The weights of `frames` frames from `start` on; frame 0 follows the last frame."""
    return weights[:, (start + torch.arange(frames)) % weights.shape[1]]
