"""Text as token states: all-MiniLM-L6-v2, read from an installed package.

Axes: b texts, n tokens, d width, h heads, k head width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int, Num
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence

from ..errors import ConfigError, WeightsError
from .layers import Layers
from .tokens import CLS, PACKAGE, SEP, Tokenizer, Tokens, package_folder

_QKV = ("query", "key", "value")
_BLOCK = {
    "attn.out": "attention.output.dense",
    "norm_attn": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm_mlp": "output.LayerNorm",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TextConfig:
    """The sizes of a BERT encoder; the defaults are all-MiniLM-L6-v2."""

    vocabulary: int = 30522
    positions: int = 512
    width: int = 384
    hidden: int = 1536
    depth: int = 6
    heads: int = 12

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"width {self.width} is not a multiple of heads {self.heads}")


@dataclass(frozen=True, slots=True)
class TextStates:
    """Token states of several texts, zero where `mask` is False."""

    states: Float[Tensor, "b n d"]
    mask: Bool[Tensor, "b n"]


class Attention(nn.Module):
    """Self-attention among the tokens of one text."""

    def __init__(
        self,
        config: TextConfig,
        layers: Layers,
        dtype: torch.dtype | None,
        device: torch.device | None,
    ) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = layers.Linear(config.width, 3 * config.width, dtype=dtype, device=device)
        self.out = layers.Linear(config.width, config.width, dtype=dtype, device=device)

    def forward(
        self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"] | None
    ) -> Float[Tensor, "b n d"]:
        q, k, v = rearrange(self.qkv(x), "b n (s h k) -> s b h n k", s=3, h=self.heads)
        keys = None if mask is None else mask[:, None, None]
        y = scaled_dot_product_attention(q, k, v, attn_mask=keys)
        return self.out(rearrange(y, "b h n k -> b n (h k)"))


class TextBlock(nn.Module):
    """Attention, then an MLP, each normed after its sum, as in the first BERT."""

    def __init__(
        self,
        config: TextConfig,
        layers: Layers,
        dtype: torch.dtype | None,
        device: torch.device | None,
    ) -> None:
        super().__init__()
        width, hidden = config.width, config.hidden
        self.attn = Attention(config, layers, dtype, device)
        self.norm_attn = layers.LayerNorm(width, eps=1e-12, dtype=dtype, device=device)
        self.up = layers.Linear(width, hidden, dtype=dtype, device=device)
        self.down = layers.Linear(hidden, width, dtype=dtype, device=device)
        self.norm_mlp = layers.LayerNorm(width, eps=1e-12, dtype=dtype, device=device)

    def forward(
        self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"] | None
    ) -> Float[Tensor, "b n d"]:
        x = self.norm_attn(x + self.attn(x, mask))
        return self.norm_mlp(x + self.down(gelu(self.up(x))))


class TextEncoder(nn.Module):
    """BERT without its pooler (Devlin et al. 2018); one state per token comes out.

    `layers` offers Linear, LayerNorm and Embedding, so that a host's casting layers may stand in.
    """

    def __init__(
        self,
        config: TextConfig,
        layers: Layers = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        self.width = width = config.width
        self.words = layers.Embedding(config.vocabulary, width, dtype=dtype, device=device)
        self.positions = layers.Embedding(config.positions, width, dtype=dtype, device=device)
        self.norm = layers.LayerNorm(width, eps=1e-12, dtype=dtype, device=device)
        self.blocks = nn.ModuleList(
            TextBlock(config, layers, dtype, device) for _ in range(config.depth)
        )

    @classmethod
    def load(cls) -> "TextEncoder":
        """The encoder of the installed package in float32 on the CPU, for inference."""
        encoder = cls(TextConfig(), device=torch.device("meta"))
        encoder.load_state_dict(package_weights(), assign=True)
        return encoder.eval().requires_grad_(False)

    def forward(
        self, ids: Int[Tensor, "b n"], mask: Bool[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b n d"]:
        """The state of each token; where `mask` is False it means nothing."""
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.norm(self.words(ids) + self.positions(places))
        for block in self.blocks:
            x = block(x, mask)
        return x


def encode(
    encoder: TextEncoder,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    dtype: torch.dtype | None = None,
    batch: int = 64,
) -> TextStates:
    """The states of all `texts`, weights such as `(red ball:1.3)` honoured; see `encode_tokens`."""
    return encode_tokens(encoder, [tokenizer.tokenize(text) for text in texts], dtype, batch)


def encode_tokens(
    encoder: TextEncoder,
    tokens: Sequence[Tokens],
    dtype: torch.dtype | None = None,
    batch: int = 64,
    device: torch.device | None = None,
) -> TextStates:
    """The states of all `tokens` in float32, padded to the longest; give 1000s of texts in parts.

    A token of weight w is moved along the line through the empty prompt's state and its own, to
    empty + w (state - empty). `dtype` asks for autocast, such as torch.bfloat16. Texts of like
    length run together, `batch` at a time, on `device`: by default where the encoder is.
    """
    device = device or next(encoder.parameters()).device
    lengths = [len(text.ids) for text in tokens]
    longest = max(lengths, default=0)
    order = sorted(range(len(tokens)), key=lengths.__getitem__)
    states = torch.zeros(len(tokens), longest, encoder.width, device=device)
    with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype is not None):
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            part, mask = _padded([tokens[i].ids for i in rows], device)
            states[rows, : part.shape[1]] = encoder(part, mask).float()
        if any(weight != 1 for text in tokens for weight in text.weights):
            empty = encoder(torch.tensor([[CLS, SEP]], device=device)).float().mean(dim=1)
            weights, _ = _padded([text.weights for text in tokens], device)
            states = empty + weights[..., None] * (states - empty)
    mask = torch.arange(longest, device=device) < torch.tensor(lengths, device=device)[:, None]
    return TextStates(states * mask[..., None], mask)


def _padded(
    rows: Sequence[Sequence[float]], device: torch.device
) -> tuple[Num[Tensor, "b n"], Bool[Tensor, "b n"] | None]:
    """The rows side by side with zeros after the short ones; no mask where none is short."""
    padded = pad_sequence([torch.tensor(row, device=device) for row in rows], batch_first=True)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    if int(lengths.min()) == padded.shape[1]:
        return padded, None
    return padded, torch.arange(padded.shape[1], device=device) < lengths[:, None]


def package_weights() -> dict[str, Tensor]:
    """The weights of the installed package under the names of TextEncoder, in float32."""
    file = package_folder() / "model.safetensors"
    try:
        bert = load_file(file)
        return _renamed(bert)
    except (OSError, SafetensorError, KeyError) as problem:
        raise WeightsError(
            f"text encoder {file.name} is damaged ({problem!s:.60}): reinstall {PACKAGE}"
        ) from problem


def _renamed(bert: Mapping[str, Tensor]) -> dict[str, Tensor]:
    kind = bert["embeddings.token_type_embeddings.weight"][0]  # a lone text is all of kind 0
    state = {
        "words.weight": bert["embeddings.word_embeddings.weight"],
        "positions.weight": bert["embeddings.position_embeddings.weight"] + kind,
    }
    for i in range(TextConfig().depth):
        for end in ("weight", "bias"):
            attention = [bert[f"encoder.layer.{i}.attention.self.{part}.{end}"] for part in _QKV]
            state[f"blocks.{i}.attn.qkv.{end}"] = torch.cat(attention)
            for ours, theirs in _BLOCK.items():
                state[f"blocks.{i}.{ours}.{end}"] = bert[f"encoder.layer.{i}.{theirs}.{end}"]
    for end in ("weight", "bias"):
        state[f"norm.{end}"] = bert[f"embeddings.LayerNorm.{end}"]
    return state
