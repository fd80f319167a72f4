"""Training of the text encoder on a user's clips, through the frozen transformer behind it.

The loss is the transformer's on the clips: captions come to mean what the clips show, where the
transformer can generate that already. Latents and transformer do not change.

Axes: b clips, l tokens, e text width.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ...models.dit import DiT
from ...models.text_encoder import TextEncoder
from ...models.tokenizer import Tokenizer
from ..lora import add_lora_to
from .folder import literal_prompt
from .objective import FlowObjective
from .samples import FlowSample
from .settings import OwnSettings
from .task import OwnTransformerTask


class TextObjective(FlowObjective):
    """The text encoder, or a LoRA of it, before a frozen transformer, whose loss it has."""

    def __init__(
        self, dit: DiT, encoder: TextEncoder, tokenizer: Tokenizer, settings: OwnSettings
    ) -> None:
        super().__init__(dit.requires_grad_(False))
        self.encoder: TextEncoder = encoder.train().requires_grad_(True)
        self.tokenizer = tokenizer
        if settings.lora_rank is not None:
            add_lora_to(encoder, settings.lora_rank, settings.alpha, settings.seed)

    def forward(
        self, samples: Sequence[FlowSample]
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """The losses of `samples` with this encoder's states of their captions."""
        worded = [replace(one, words=self.states(one.caption).to(one.clean)) for one in samples]
        return super().forward(worded)

    def states(self, caption: str) -> Float[Tensor, "1 l e"]:
        """The states of `caption`, whose brackets are letters."""
        ids = self.tokenizer.tokenize(literal_prompt(caption)).ids
        return self.encoder(torch.tensor([ids], device=next(self.encoder.parameters()).device))


class OwnTextTask(OwnTransformerTask):
    """Task: denoise the user's clips, with the text encoder as what is trained."""

    def matrices(self) -> set[str]:
        """None: AdamW trains all weights of an encoder that has learned before."""
        return set()

    @torch.no_grad()
    def words_of(self, model: FlowObjective, caption: str, cached: Tensor) -> Tensor:
        """The states [l e] of `caption` by the encoder of `model`."""
        return model.states(caption)[0] if isinstance(model, TextObjective) else cached
