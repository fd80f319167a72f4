"""Text generation by a language model that the host loaded as a CLIP. Axes: b y x c."""

from typing import Protocol

from jaxtyping import Float
from torch import Tensor

from ...sora_core.errors import ConfigError

TEXT_TEMPERATURE = 0.7
CHOICES = {"top_k": 64, "top_p": 0.95, "min_p": 0.05, "repetition_penalty": 1.05}
"""The defaults of the host's own text generation node."""

Batches = list[list[tuple[object, ...]]]
"""For each text its tokens, each with its weight; an image is a dict instead of a token."""

HostTokens = dict[str, Batches] | Batches


class Writer(Protocol):
    """A CLIP of hosts with text generation; older hosts have `tokenize` only."""

    def tokenize(self, text: str, **options: object) -> HostTokens: ...

    def generate(self, tokens: HostTokens, **sampling: object) -> object: ...

    def decode(self, token_ids: object) -> str: ...


def generate_text(
    clip: Writer,
    prompt: str,
    images: Float[Tensor, "b y x 3"] | None = None,
    max_tokens: int = 512,
    seed: int = 0,
) -> str:
    """The answer of `clip` to `prompt` in the chat template of its model, unbounded and unchecked.

    All `images` belong to the one prompt. ConfigError if the host or the model cannot generate
    text, or does not accept images.
    """
    if not hasattr(clip, "generate"):
        raise ConfigError("clip: this ComfyUI has no text generation: update it, or disconnect it")
    tokens = clip.tokenize(prompt, image=images, skip_template=False, min_length=1, thinking=False)
    if images is not None and not has_image(tokens):
        raise ConfigError(
            "clip: this language model takes no images: connect one that does, such as Qwen3-VL "
            "or Gemma 4"
        )
    try:
        answer = clip.generate(
            tokens, max_length=max_tokens, seed=seed, temperature=TEXT_TEMPERATURE, **CHOICES
        )
    except AttributeError as error:
        if error.name != "generate":
            raise
        raise ConfigError(
            f"clip: {type(error.obj).__name__[:40]} writes no text: connect a language model, "
            "such as Qwen or Gemma, or disconnect it"
        ) from error
    return clip.decode(answer)


def has_image(tokens: HostTokens) -> bool:
    """Whether an image is among `tokens`: text-only models drop it silently."""
    batches = tokens.values() if isinstance(tokens, dict) else [tokens]
    return any(isinstance(token[0], dict) for texts in batches for text in texts for token in text)
