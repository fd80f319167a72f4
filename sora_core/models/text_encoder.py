"""The text encoder: a small BERT distilled from all-MiniLM-L6-v2, from text to token states.

Axes: b texts, n tokens, d width, h heads, k head width, r rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor, nn
from torch.nn.functional import gelu
from torch.nn.utils.rnn import pad_sequence

from ..errors import ConfigError
from .layers import Layers, written_out_attention
from .tokenizer import CLS, SEP, TokenizedText, Tokenizer

MAX_VOCABULARY, MAX_TEXT_WIDTH, MAX_DEPTH = 65536, 4096, 64  # limit the cost of a hostile file


@dataclass(frozen=True, kw_only=True, slots=True)
class TextConfig:
    """The sizes of a BERT encoder with low-rank matrices.

    `words` splits the vocabulary by token id into bands of (rows, rank): frequent words have low
    ids in BERT and get a higher rank (adaptive inputs, Baevski and Auli 2019). A rank of `width` or
    more means a full matrix. The defaults are those of the shipped encoder. ConfigError for sizes
    above the limits of this module.
    """

    words: tuple[tuple[int, int], ...] = ((10000, 144), (10000, 72), (10522, 40))
    positions: int = 128
    width: int = 384
    hidden: int = 1536
    depth: int = 6
    heads: int = 12
    qkv_rank: int = 80
    out_rank: int = 64
    up_rank: int = 88
    down_rank: int = 96

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.vocabulary > MAX_VOCABULARY or self.positions > MAX_TEXT_WIDTH:
            raise ConfigError(
                f"{self.vocabulary} words, {self.positions} positions: "
                f"at most {MAX_VOCABULARY} and {MAX_TEXT_WIDTH}"
            )
        widest = max(self.width, self.hidden, self.qkv_rank, self.up_rank, self.down_rank)
        if widest > MAX_TEXT_WIDTH or self.depth > MAX_DEPTH:
            raise ConfigError(
                f"width {widest}, depth {self.depth}: at most {MAX_TEXT_WIDTH} and {MAX_DEPTH}"
            )

    @property
    def vocabulary(self) -> int:
        """The number of word pieces."""
        return sum(rows for rows, _ in self.words)


@dataclass(frozen=True, slots=True)
class TextStates:
    """Token states of several texts, zero where `mask` is False."""

    states: Float[Tensor, "b n d"]
    mask: Bool[Tensor, "b n"]


@dataclass(frozen=True, slots=True)
class Parts:
    """The source of layers with weights, and their dtype and device."""

    layers: Layers
    dtype: torch.dtype | None
    device: torch.device | None

    def linear(self, inputs: int, outputs: int, rank: int) -> nn.Module:
        """A linear layer of rank `rank`: two thin ones, or one if `rank` is that of a full one."""
        if rank >= min(inputs, outputs):
            return self.layers.Linear(inputs, outputs, dtype=self.dtype, device=self.device)
        return nn.Sequential(
            self.layers.Linear(inputs, rank, bias=False, dtype=self.dtype, device=self.device),
            self.layers.Linear(rank, outputs, dtype=self.dtype, device=self.device),
        )

    def norm(self, width: int) -> nn.Module:
        """A layer norm with BERT's epsilon."""
        return self.layers.LayerNorm(width, eps=1e-12, dtype=self.dtype, device=self.device)

    def table(self, rows: int, width: int) -> nn.Module:
        """An embedding of `rows` vectors."""
        return self.layers.Embedding(rows, width, dtype=self.dtype, device=self.device)


class WordTable(nn.Module):
    """Word embeddings; each band of ids has a low-rank table and its own projection."""

    def __init__(self, config: TextConfig, parts: Parts) -> None:
        super().__init__()
        self.rows = [rows for rows, _ in config.words]
        self.tables = nn.ModuleList(
            parts.table(rows, min(rank, config.width)) for rows, rank in config.words
        )
        self.projections = nn.ModuleList(
            nn.Identity()
            if rank >= config.width
            else parts.layers.Linear(rank, config.width, dtype=parts.dtype, device=parts.device)
            for _, rank in config.words
        )

    def forward(self, ids: Int[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """The embedding of each word piece."""
        first, bands = 0, []
        for rows, table, project in zip(self.rows, self.tables, self.projections, strict=True):
            own = (ids >= first) & (ids < first + rows)
            vectors = project(table((ids - first).clamp(0, rows - 1)))
            bands.append(torch.where(own[..., None], vectors, vectors.new_zeros(())))
            first += rows
        return torch.stack(bands).sum(dim=0)


class BertAttention(nn.Module):
    """Self-attention among the tokens of one text."""

    def __init__(self, config: TextConfig, parts: Parts) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.qkv = parts.linear(width, 3 * width, config.qkv_rank)
        self.out = parts.linear(width, width, config.out_rank)

    def forward(
        self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"] | None
    ) -> Float[Tensor, "b n d"]:
        """Attention over the tokens where `mask` is True, or over all."""
        q, k, v = rearrange(self.qkv(x), "b n (s h k) -> s b h n k", s=3, h=self.heads)
        keys = None if mask is None else mask[:, None, None]
        y = written_out_attention(q, k, v, keys)
        return self.out(rearrange(y, "b h n k -> b n (h k)"))


class BertBlock(nn.Module):
    """Attention, then an MLP, each followed by a norm of the sum (post-norm), as in BERT."""

    def __init__(self, config: TextConfig, parts: Parts) -> None:
        super().__init__()
        width, hidden = config.width, config.hidden
        self.attn = BertAttention(config, parts)
        self.norm_attn = parts.norm(width)
        self.up = parts.linear(width, hidden, config.up_rank)
        self.down = parts.linear(hidden, width, config.down_rank)
        self.norm_mlp = parts.norm(width)

    def forward(
        self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"] | None
    ) -> Float[Tensor, "b n d"]:
        x = self.norm_attn(x + self.attn(x, mask))
        return self.norm_mlp(x + self.down(gelu(self.up(x))))


class TextEncoder(nn.Module):
    """BERT without its pooler (Devlin et al. 2018): one state per token.

    `layers` provides Linear, LayerNorm and Embedding; a host passes its own casting layers.
    """

    def __init__(
        self,
        config: TextConfig,
        layers: Layers = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        parts = Parts(layers, dtype, device)
        self.config = config
        self.width = config.width
        self.words = WordTable(config, parts)
        self.positions = parts.table(config.positions, config.width)
        self.norm = parts.norm(config.width)
        self.blocks = nn.ModuleList(BertBlock(config, parts) for _ in range(config.depth))

    def embed(self, ids: Int[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """The input of the first block: word and position embeddings, normed."""
        places = torch.arange(ids.shape[1], device=ids.device)
        return self.norm(self.words(ids) + self.positions(places))

    def forward(
        self, ids: Int[Tensor, "b n"], mask: Bool[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b n d"]:
        """The state of each token; states where `mask` is False are undefined."""
        x = self.embed(ids)
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
    """The states of all `texts`, with weights such as `(red ball:1.3)`; see `encode_tokens`."""
    return encode_tokens(encoder, [tokenizer.tokenize(text) for text in texts], dtype, batch)


def encode_tokens(
    encoder: TextEncoder,
    tokens: Sequence[TokenizedText],
    dtype: torch.dtype | None = None,
    batch: int = 64,
    device: torch.device | None = None,
) -> TextStates:
    """The states of all `tokens` in float32, padded to the longest and zero there.

    A token with weight w gets the state empty + w (state - empty), where `empty` is the mean state
    of the empty prompt. `dtype`, such as torch.bfloat16, turns on autocast. Texts are sorted by
    length and run `batch` at a time on `device`, by default that of the encoder. All results stay
    in memory: split thousands of texts over several calls.
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
    """The rows padded with zeros, and their mask; None for the mask if no row is shorter."""
    padded = pad_sequence([torch.tensor(row, device=device) for row in rows], batch_first=True)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    if int(lengths.min()) == padded.shape[1]:
        return padded, None
    return padded, torch.arange(padded.shape[1], device=device) < lengths[:, None]
