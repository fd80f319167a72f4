"""The text encoder as a CLIP of the host. Axes: b texts, n tokens, d width."""

import logging
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import comfy.model_management as devices
import comfy.ops
import comfy.sd
import comfy.supported_models_base
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ....sora_core.checkpoints.text_file import (
    SHIPPED_TEXT_ENCODER,
    holds_text,
    read_text_config,
    read_text_weights,
)
from ....sora_core.errors import ConfigError
from ....sora_core.models.text_encoder import TextConfig, TextEncoder, encode_tokens
from ....sora_core.models.tokenizer import TokenizedText, Tokenizer

CLIP_NAME = "sora"

Pieces = dict[str, list[list[tuple[Any, ...]]]]
"""Tokens in the host's form, under `CLIP_NAME`: id, weight, and optionally the word's index."""


class HostTokenizer:
    """Prompts as the host's tokens."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        embedding_directory: object = None,
        tokenizer_data: object = None,
    ) -> None:
        self.tokenizer = tokenizer

    def tokenize_with_weights(
        self, text: str, return_word_ids: bool = False, **_: object
    ) -> Pieces:
        """The (id, weight) pairs of the tokens of `text`, as one row under `CLIP_NAME`.

        `return_word_ids` appends its index to each pair. A text beyond 128 tokens is cut, with a
        warning in the log. PromptError for a weight out of range or far too many characters.
        """
        tokens = self.tokenizer.tokenize(text)
        if tokens.truncated:
            logging.warning("prompt cut to %d tokens: %.60s...", len(tokens.ids), text)
        pairs = list(zip(tokens.ids, tokens.weights, strict=True))
        return {
            CLIP_NAME: [[(*pair, i) for i, pair in enumerate(pairs)] if return_word_ids else pairs]
        }

    def untokenize(self, token_weight_pair: list[tuple[Any, ...]]) -> list[tuple[Any, str]]:
        words = self.tokenizer.untokenize([piece[0] for piece in token_weight_pair])
        return list(zip(token_weight_pair, words, strict=True))

    def state_dict(self) -> dict[str, Tensor]:
        return {}


class HostTextEncoder(TextEncoder):
    """The text encoder as the host calls it."""

    def __init__(
        self,
        config: TextConfig,
        device: torch.device,
        dtype: torch.dtype,
        model_options: dict[str, Any],
    ) -> None:
        super().__init__(config, comfy.ops.manual_cast, dtype, device)
        self.dtypes = {dtype}
        self.execution_device = devices.text_encoder_device()

    def set_clip_options(self, options: dict[str, Any]) -> None:
        self.execution_device = options.get("execution_device", self.execution_device)

    def reset_clip_options(self) -> None:
        self.execution_device = devices.text_encoder_device()

    def encode_token_weights(self, pieces: Pieces) -> tuple[Float[Tensor, "1 n d"], None]:
        """The states of all tokens; there is no pooled vector."""
        texts = [
            TokenizedText(tuple(piece[0] for piece in row), tuple(piece[1] for piece in row))
            for row in pieces[CLIP_NAME]
        ]
        encoded = encode_tokens(self, texts, device=self.execution_device)
        return encoded.states[encoded.mask][None].to(devices.intermediate_device()), None

    def generate(self, tokens: object, **sampling: object) -> NoReturn:
        """Raises ConfigError: this text encoder cannot generate text."""
        raise ConfigError(
            f"clip: {type(self).__name__} writes no text: connect a language model, such as Qwen "
            "or Gemma"
        )

    def load_sd(self, state: dict[str, Tensor]) -> nn.modules.module._IncompatibleKeys:
        return self.load_state_dict(state, strict=False)


def load_clip(path: Path = SHIPPED_TEXT_ENCODER) -> comfy.sd.CLIP:
    """A CLIP of the text encoder in the file at `path`, in float32 since it is small.

    A model file without a text encoder uses the released one. WeightsError for a damaged file.
    """
    path = path if holds_text(path) else SHIPPED_TEXT_ENCODER
    config, tokenizer = read_text_config(path)
    with torch.device("meta"):
        weights = read_text_weights(path, TextEncoder(config))
    target = comfy.supported_models_base.ClipTarget(
        partial(HostTokenizer, tokenizer), partial(HostTextEncoder, config)
    )
    size = sum(tensor.numel() for tensor in weights.values())
    clip = comfy.sd.CLIP(target, parameters=size, model_options={"dtype": torch.float32})
    clip.load_sd(weights)
    return clip
