"""The spacetime diffusion transformer: noisy patches in, clean patches out.

Axes: b rows, n tokens in a row, d width, h heads, k head width, l text tokens, m noise levels in a
row.

- All tokens of all frames attend to each other at once.
- Every token has its own noise level. A row has `m` levels, each for an equal run of its tokens:
  one for the whole clip, one per frame, or one per token. Modulation is computed once per level.
- Known footage has sigma 0. Tokens receive the content of the nearest known token at their position
  as an extra input, and a learned gate can copy it to the output.
- Positions rotate queries and keys (RoPE over time, row and column). The position within the
  picture and the nearness to the first frame are also added at the input.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import silu

from ..errors import ConfigError, check_range
from ..shapes import COMPRESSION, Grid, Latent
from .conditioning_features import conditioning_features
from .half_layers import attention
from .layers import Layers
from .metric import (
    FORMAT_FEATURES,
    USUAL_FPS,
    format_features,
    metric_angles,
    metric_positions,
    rates,
)
from .noise_levels import (
    Runs,
    distinct,
    gated_residual,
    modulate,
    timestep_embedding,
    token_levels,
)
from .patchify import LATENT_PATCH, patch_positions, patchify, unpatchify

Attend = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""Attention of queries, keys and values `b h n k` under a mask that broadcasts to `b h n n`: True
to see, or a number to add to the score. Over whole rows, within packed clips, or a host's own."""

TextMask = Bool[Tensor, "b 1 1 l"] | Float[Tensor, "b 1 n l"]
"""The existing words; or a number for each word and patch that is added to the score."""

BlockWrapper = Callable[[int, Callable[[Tensor], Tensor], Tensor], Tensor]
"""Calls block number `i` on its input; a host may replace, skip or watch it."""


@dataclass(frozen=True, slots=True)
class TokenSubset:
    """The tokens that the blocks from `first` to before `last` work on; the others skip them."""

    tokens: Int[Tensor, " k"]
    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.last:
            raise ConfigError(
                f"tokens dropped from block {self.first} to before {self.last}: choose one block "
                "or more"
            )


GRID, METRIC = "grid", "metric"
"""Positions in tokens; or in seconds and smaller sides, with rate and size as inputs."""

PATCHES = (1, 2)  # latent cells a side; a canvas is a whole number of 2x2 cells

DIT_HEAD_WIDTH = 64
ROPE_FREQUENCIES = (8, 12, 12)  # frequencies for time, row and column: half of the head width
ROPE_BASE = 256.0
POSITION_FREQUENCIES = 4
LATENT_SECONDS = COMPRESSION.time / USUAL_FPS


@dataclass(frozen=True, kw_only=True, slots=True)
class DiTConfig:
    width: int
    depth: int
    latent_channels: int = 16
    text_width: int = 384
    mlp_ratio: int = 4
    patch: int = LATENT_PATCH
    positions: str = GRID

    def __post_init__(self) -> None:
        if self.patch not in PATCHES:
            raise ConfigError(f"patch {self.patch}: choose from {PATCHES}")
        if self.positions not in (GRID, METRIC):
            raise ConfigError(f"positions {self.positions[:20]!a:.22}: choose {GRID} or {METRIC}")
        if self.width < DIT_HEAD_WIDTH or self.width % DIT_HEAD_WIDTH:
            raise ConfigError(
                f"transformer width {self.width}: choose a multiple of {DIT_HEAD_WIDTH}"
            )
        for name in ("depth", "latent_channels", "text_width", "mlp_ratio"):
            check_range(f"transformer {name}", getattr(self, name), 1)

    @property
    def metric(self) -> bool:
        return self.positions == METRIC


def rope_angles(positions: Float[Tensor, "b n 5"]) -> Float[Tensor, "b 1 n k"]:
    """The angle by which each pair of a token's query and key features is turned."""
    angles = [
        positions[..., axis, None]
        * ROPE_BASE ** -torch.linspace(0, 1, count, device=positions.device, dtype=torch.float32)
        for axis, count in enumerate(ROPE_FREQUENCIES)
    ]
    return torch.cat(angles, dim=-1)[:, None]


def apply_rope(x: Float[Tensor, "b h n k"], cos: Tensor, sin: Tensor) -> Float[Tensor, "b h n k"]:
    """`x` with its first and second half of features turned as pairs. Su et al. 2021."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def position_features(
    positions: Float[Tensor, "b n 5"], seconds: float = 1.0
) -> Float[Tensor, "b n f"]:
    """Sinusoids of a token's position in the picture, and its nearness to the first frame.

    Time is in units of `seconds`.
    """
    scales = math.pi / 2 * 2.0 ** torch.arange(POSITION_FREQUENCIES, device=positions.device)
    waves = rearrange(positions[..., 3:, None] * scales, "b n a f -> b n (a f)")
    nearness = 1 / (1 + positions[..., :1].abs() / seconds)
    return torch.cat([waves.sin(), waves.cos(), nearness], dim=-1)


def split_heads(x: Float[Tensor, "b n shk"], kinds: int) -> tuple[Float[Tensor, "b h n k"], ...]:
    """`x` as `kinds` tensors of heads, such as queries, keys and values; views of it."""
    return x.unflatten(2, (kinds, -1, DIT_HEAD_WIDTH)).permute(2, 0, 3, 1, 4).unbind()


class TextAttention(nn.Module):
    """Each patch looks at the words."""

    def __init__(self, width: int, layers: Layers) -> None:
        super().__init__()
        self.norm = layers.LayerNorm(width)
        self.query = layers.Linear(width, width)
        self.norm_query = layers.LayerNorm(DIT_HEAD_WIDTH)
        self.key_value = layers.Linear(width, 2 * width)
        self.norm_key = layers.LayerNorm(DIT_HEAD_WIDTH)
        self.out = layers.Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        text: Float[Tensor, "b l d"],
        mask: TextMask | None,
        attend: Attend,
    ) -> Float[Tensor, "b n d"]:
        """`x` plus its attention to `text`, which has the model's width; None masks no word."""
        (q,) = split_heads(self.query(self.norm(x)), 1)
        k, v = split_heads(self.key_value(text), 2)
        y = attend(self.norm_query(q).to(v), self.norm_key(k).to(v), v, mask)
        return x + self.out(y.transpose(1, 2).flatten(2))


class DiTBlock(nn.Module):
    """Attention among patches, to the words, then an MLP; all steered by the noise level."""

    def __init__(self, config: DiTConfig, layers: Layers) -> None:
        super().__init__()
        width, hidden = config.width, config.width * config.mlp_ratio
        self.modulation = layers.Linear(width, 6 * width)
        self.qkv = layers.Linear(width, 3 * width)
        self.norm_query = layers.LayerNorm(DIT_HEAD_WIDTH)
        self.norm_key = layers.LayerNorm(DIT_HEAD_WIDTH)
        self.out = layers.Linear(width, width)
        self.cross_attn = TextAttention(width, layers)
        self.mlp = nn.Sequential(
            layers.Linear(width, hidden), nn.GELU("tanh"), layers.Linear(hidden, width)
        )

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        level: Float[Tensor, "b m d"],
        text: Float[Tensor, "b l d"],
        text_mask: TextMask | None,
        cos: Float[Tensor, "b 1 n k"],
        sin: Float[Tensor, "b 1 n k"],
        attend: Attend,
        attend_text: Attend,
        clips: Runs,
    ) -> Float[Tensor, "b n d"]:
        """The tokens `x` after attention, cross-attention to `text` and the MLP.

        `level` is the embedding of the `m` noise levels of a row, after SiLU; `clips` assigns them
        to tokens. `cos` and `sin` are those of the rotary angles. `attend` serves attention among
        the tokens, `attend_text` that to `text`, which has the model's width.
        """
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(level).chunk(6, dim=-1)

        y = self.qkv(modulate(x, shift_a, scale_a, clips))
        q, k, v = split_heads(y, 3)
        q, k = self.norm_query(q), self.norm_key(k)
        cos, sin = cos.to(q), sin.to(q)
        q, k = apply_rope(q, cos, sin), apply_rope(k, cos, sin)
        y = attend(q.to(v), k.to(v), v, None).transpose(1, 2).flatten(2)
        x = gated_residual(x, gate_a, self.out(y), clips)

        x = self.cross_attn(x, text, text_mask, attend_text)

        return gated_residual(x, gate_m, self.mlp(modulate(x, shift_m, scale_m, clips)), clips)


class DiT(nn.Module):
    """Predicts clean patches from noisy ones, their noise levels, their places and a text."""

    def __init__(self, config: DiTConfig, layers: Layers = nn) -> None:
        super().__init__()
        self.config = config
        width, patch = config.width, config.latent_channels * config.patch**2
        self.proj_in = layers.Linear(patch, width)
        self.cond_proj = layers.Linear(patch + 1, width, bias=False)
        self.pos_embed = layers.Linear(4 * POSITION_FREQUENCIES + 1, width)
        self.time_in = nn.Sequential(
            layers.Linear(width, width), nn.SiLU(), layers.Linear(width, width)
        )
        self.format = layers.Linear(FORMAT_FEATURES, width) if config.metric else None
        self.norm_text = layers.LayerNorm(config.text_width)
        self.text_in = layers.Linear(config.text_width, width)
        self.blocks = nn.ModuleList(DiTBlock(config, layers) for _ in range(config.depth))
        self.modulation = layers.Linear(width, 2 * width)
        self.proj_out = layers.Linear(width, patch)
        self.copy_gate = layers.Linear(
            width, patch
        )  # share of the nearest known token in the output

    def init_weights(self) -> None:
        """Sets the weights a training begins with.

        Gates start at zero and what they gate does not: were both zero, neither would ever have a
        gradient.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for block in self.blocks:
            nn.init.zeros_(block.get_parameter("modulation.weight"))
        for linear in (self.modulation, self.proj_out, self.copy_gate, self.format):
            if linear is not None:
                nn.init.zeros_(linear.get_parameter("weight"))

    def transform(
        self,
        tokens: Float[Tensor, "b n c"],
        sigma: Float[Tensor, "b m"],
        positions: Float[Tensor, "b n 5"],
        text: Float[Tensor, "b l e"],
        text_mask: Bool[Tensor, "b l"] | Float[Tensor, "b n l"] | None,
        attend: Attend,
        attend_text: Attend,
        block_wrapper: BlockWrapper = lambda i, block, x: block(x),
        clips: Runs = None,
        cond_features: Float[Tensor, "b n c1"] | None = None,
        features: Float[Tensor, "b #m f"] | None = None,
        subset: TokenSubset | None = None,
    ) -> Float[Tensor, "b n c"]:
        """Clean tokens. `sigma` in [0, 1] holds one level for each of `m` equal runs of tokens: of
        all tokens, or with `clips`, of each clip's.

        `text_mask` marks the existing words, or holds the logarithm of each word's weight for each
        token. `cond_features` is the content of known footage for each token
        (`conditioning_features.py`), if there is any. `features` are the rate and size of each clip
        (`metric.py`), for a model with positions in seconds.
        """
        metric = self.config.metric
        waves = position_features(positions, LATENT_SECONDS if metric else 1.0)
        x = self.proj_in(tokens) + self.pos_embed(waves.to(tokens))
        if cond_features is not None:
            x = x + self.cond_proj(cond_features)
        level = self.time_in(timestep_embedding(sigma, self.config.width).to(tokens))
        if self.format is not None and features is not None:
            level = level + self.format(features.to(tokens))
        level = silu(level)
        words = self.text_in(self.norm_text(text))
        cross_mask = None if text_mask is None else rearrange(text_mask, "b ... l -> b 1 (...) l")
        angles = metric_angles(positions) if metric else rope_angles(positions)
        cos, sin = angles.cos().to(x), angles.sin().to(x)
        shared = (level, words, cross_mask, cos, sin, attend, attend_text, clips)
        whole, few = x, shared
        if subset is not None:
            if not isinstance(clips, Tensor):
                raise ConfigError("tokens can be dropped where each one's noise level has a number")
            some = cos[:, :, subset.tokens], sin[:, :, subset.tokens]
            words_mask = (
                cross_mask
                if cross_mask is None or cross_mask.shape[2] == 1
                else cross_mask[:, :, subset.tokens]
            )
            few = (level, words, words_mask, *some, attend, attend_text, clips[subset.tokens])
        for i, block in enumerate(self.blocks):
            if subset is not None and i == subset.first:
                whole, x = x, x[:, subset.tokens]
            inside = subset is not None and subset.first <= i < subset.last
            now = few if inside else shared
            x = block_wrapper(i, lambda y, block=block, now=now: block(y, *now), x)
            if subset is not None and i == subset.last - 1:
                x = whole.index_copy(1, subset.tokens, x.to(whole))
        shift, scale = self.modulation(level).chunk(2, dim=-1)
        x = modulate(x, shift, scale, clips)
        clean = self.proj_out(x)
        if cond_features is None:
            return clean
        nearest, known = cond_features[..., :-1].to(clean), cond_features[..., -1:] > 0
        return clean.lerp(nearest, self.copy_gate(x) * known)

    def forward(
        self,
        latent: Latent,
        sigma: Float[Tensor, "#b #one #t #y #x"],
        text: Float[Tensor, "b l e"],
        text_mask: Bool[Tensor, "b l"] | Float[Tensor, "b t l"] | None = None,
        *,
        start: float | Float[Tensor, " t"] = 0.0,
        fps: float | Float[Tensor, " #b"] = USUAL_FPS,
        attend: Attend = attention,
        block_wrapper: BlockWrapper = lambda i, block, x: block(x),
        subset: TokenSubset | None = None,
    ) -> Latent:
        """The clean latent. `sigma` broadcasts to it: one level, one a frame, or one a cell.

        `text_mask` marks the existing words, or holds the logarithm of each word's weight in each
        latent frame, so that prompts can change over time. `fps`, of all rows or of each, applies
        where positions are in seconds, from 1 to 240.
        """
        grid, patch = Grid(*latent.shape[2:]), self.config.patch
        if text_mask is not None and text_mask.ndim == 3:
            text_mask = repeat(
                text_mask, "b t l -> b (t s) l", s=grid.cells // patch**2 // grid.frames
            )
        tokens, levels = patchify(latent, patch), token_levels(sigma, len(latent), grid, patch)
        arguments, runs, features = conditioning_features(tokens, levels, grid.frames), None, None
        if self.config.metric:
            each = rates(fps, len(latent), latent.device)
            token_positions = metric_positions(grid, start, each, patch)
            features = format_features(grid, each)[:, None]
            if levels.shape[1] == tokens.shape[1] or subset is not None:
                levels, runs = distinct(levels, tokens.shape[1])
        else:
            token_positions = patch_positions(grid, start, latent.device, patch)[None].expand(
                len(latent), -1, -1
            )
        clean = self.transform(
            tokens,
            levels,
            token_positions,
            text.to(latent),
            text_mask,
            attend,
            attend,
            block_wrapper,
            clips=runs,
            cond_features=arguments,
            features=features,
            subset=subset,
        )
        return unpatchify(clean, grid, patch)
