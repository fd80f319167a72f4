"""Text written by a language model that the host has loaded as a CLIP. Axes: b y x c."""

from typing import Protocol

from jaxtyping import Float
from torch import Tensor

from ...sora_core.errors import ConfigError

TEXT_TEMPERATURE = 0.7
CHOICES = {"top_k": 64, "top_p": 0.95, "min_p": 0.05, "repetition_penalty": 1.05}
"""What the host's own node for text offers at first."""


Batches = list[list[tuple[object, ...]]]
"""For each text its tokens, each with its weight. A picture is a dict in the place of a token."""

HostTokens = dict[str, Batches] | Batches


class Writer(Protocol):
    """A CLIP of hosts that write text; older ones have tokenize alone."""

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
    """What `clip` answers to `prompt`, in the dialogue form of its own model.

    `images` are seen together. Raises ConfigError where the host or the model behind `clip` writes
    no text, or sees no pictures. The answer is as it came: bound it before it goes on.
    """
    if not hasattr(clip, "generate"):
        raise ConfigError("clip: this ComfyUI has no text generation: update it, or disconnect it")
    tokens = clip.tokenize(prompt, image=images, skip_template=False, min_length=1, thinking=False)
    if images is not None and not has_image(tokens):
        raise ConfigError(
            "clip: this language model sees no pictures: connect one that does, such as Qwen3-VL "
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
    """Whether a picture is among `tokens`: models for words alone pass over it in silence."""
    batches = tokens.values() if isinstance(tokens, dict) else [tokens]
    return any(isinstance(token[0], dict) for texts in batches for text in texts for token in text)
