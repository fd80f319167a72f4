"""The prompts of a canvas as a model reads them: their texts, and when each counts.

Axes: p prompts, t latent frames, l text tokens, e text width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..canvas.canvas import Canvas
from ..models.text_encoder import TextEncoder, encode
from ..models.tokenizer import Tokenizer
from ..prompts.sanitize import clean_prompt
from ..sampling.prompt_spans import SOFT_SECONDS, span_weights
from ..shapes import COMPRESSION, Compression

PromptStates = Float[Tensor, "l e"]


@dataclass(frozen=True, slots=True)
class Script:
    """Texts, how much each counts in each latent frame, and what to steer away from."""

    texts: Sequence[PromptStates]
    weights: Float[Tensor, "p t"]
    negative: PromptStates


def read_script(
    encoder: TextEncoder, tokenizer: Tokenizer, prompt: str, negative: str, canvas: Canvas
) -> Script:
    """The prompts over the time of `canvas`, with `prompt` wherever it has none of its own."""
    prompts = [clean_prompt(text) for text in (prompt, *(span.prompt for span in canvas.prompts))]
    weights: dict[str, Tensor] = {}  # equal prompts are merged
    for text, row in zip(prompts, prompt_weights(canvas), strict=True):
        weights[text] = weights[text] + row if text in weights else row
    words = encode(encoder, tokenizer, [*weights, clean_prompt(negative)])
    *texts, away = (row[there] for row, there in zip(words.states, words.mask, strict=True))
    return Script(texts, torch.stack(list(weights.values())), away)


def prompt_weights(
    canvas: Canvas,
    compression: Compression = COMPRESSION,
    soft: float = SOFT_SECONDS,
    main: bool = True,
) -> Float[Tensor, "p t"]:
    """How much the main prompt and each of the canvas' own counts in each of its latent frames."""
    spans = [
        (span.start, float("inf") if span.end is None else span.end) for span in canvas.prompts
    ]
    seconds = canvas.latent_seconds(compression)
    return span_weights(spans, seconds, soft=soft, ring=canvas.ring, main=main)
