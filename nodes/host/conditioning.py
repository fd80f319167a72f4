"""Prompts over time, read from the host's conditioning. Axes: p prompts, t latent frames."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ...sora_core.errors import ConfigError
from ...sora_core.models.prompt_schedule import scheduled_text
from ...sora_core.sampling.prompt_spans import span_weights, spans_of
from .latents import LatentDict, canvas_latent_of
from .models.model import TextCond

Conds = list[dict[str, Any]]
"""Conditionings in the form of the host's samplers."""


def by_span(conds: Conds) -> list[Conds]:
    """`conds`, grouped by span."""
    spans, which = spans_of(conds)
    return [
        [cond for cond, own in zip(conds, which, strict=True) if own == i]
        for i in range(len(spans))
    ]


def cond_weights(conds: Conds, latent: LatentDict) -> Float[Tensor, "p t"]:
    """The weight of each span's prompts in each latent frame of `latent`."""
    spans, _ = spans_of(conds)
    frames = latent["samples"].shape[2]
    if len(spans) < 2:
        return torch.ones(1, frames)
    encoded = canvas_latent_of(latent)
    if encoded is None:
        raise ConfigError(
            "prompts over spans of time, and a latent without a canvas: use Sora Encode Canvas"
        )
    seconds = encoded.canvas.latent_seconds(encoded.compression, frames)
    timed = [span for span in spans if span is not None]
    return span_weights(timed, seconds, ring=encoded.canvas.ring, main=None in spans)


def by_wording(conds: Conds, weights: Float[Tensor, "p t"]) -> Float[Tensor, "q t"]:
    """`weights` of the spans of `conds`, added up over spans with the same wording."""
    rows: list[tuple[Conds, Tensor]] = []
    for wording, row in zip(by_span(conds), weights, strict=True):
        same = next((i for i, (other, _) in enumerate(rows) if same_wording(wording, other)), None)
        if same is None:
            rows.append((wording, row))
        else:
            rows[same] = wording, rows[same][1] + row
    return torch.stack([row for _, row in rows])


def same_wording(conds: Conds, others: Conds) -> bool:
    """Whether both have the same text states; their other options may differ."""
    return len(conds) == len(others) and all(
        torch.equal(cond["cross_attn"], other["cross_attn"])
        for cond, other in zip(conds, others, strict=True)
    )


def merged_cond(prompts: Sequence[Conds], weights: Float[Tensor, "p t"]) -> Conds | None:
    """One conditioning of our model with all of `prompts`, each in its own frames.

    None where one cannot hold them, as with areas or several conditionings of one span.
    """
    if len(prompts) < 2 or any(len(conds) != 1 for conds in prompts):
        return None
    first = prompts[0][0]
    if any(
        {"area", "mask", "timestep_start", "control", "hooks"} & set(cond) for [cond] in prompts
    ):
        return None
    known = [cond["model_conds"] for [cond] in prompts]
    if not all(conds["attention_mask"].cond.all() for conds in known):
        return None
    words = [conds["c_crossattn"].cond[0] for conds in known]
    text, counts = scheduled_text(words, weights.to(words[0]))
    if counts is None:
        return None
    merged = {
        "c_crossattn": TextCond(text[None], together=False),
        "attention_mask": TextCond(counts[None], together=False),
    }
    return [first | {"model_conds": known[0] | merged}]
