"""The spacetime diffusion transformer: noisy patches in, clean patches out.

Axes: b rows, n tokens in a row, d width, h heads, k head width, l text tokens, m noise levels in a
row.

- All tokens of all frames attend to each other at once.
- Every token has its own noise level. A row states `m` of them, each for an equal run of its
  tokens: one for the whole clip, one a frame, or one a token; the modulation is computed once for
  each.
- Known footage is at level 0, and hands the tokens at its places what it shows; what they show in
  the end they may take from that.
- Positions turn queries and keys (rotary, in time, row and column); where a token is within the
  picture and how near the first frame is also added at the input.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import layer_norm, scaled_dot_product_attention, silu

from ..errors import ConfigError
from ..shapes import Grid, Latent
from .handed import handed
from .layers import Layers
from .patches import PATCH, patchify, positions, unpatchify

Attend = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""Attention of queries, keys and values `b h n k` under a mask that broadcasts to `b h n n`: True
to see, or a number to add to the score. Over whole rows, within packed clips, or a host's own."""

Seen = Bool[Tensor, "b 1 1 l"] | Float[Tensor, "b 1 n l"]
"""Which words there are; or what to add to the score of each for each patch."""

Around = Callable[[int, Callable[[Tensor], Tensor], Tensor], Tensor]
"""Calls block number `i` on its input; a host may replace, skip or watch it."""


@dataclass(frozen=True, slots=True)
class Clips:
    """The clips of a packed row: how many tokens each has, and noise levels for equal runs of
    them."""

    tokens: tuple[int, ...]
    levels: tuple[int, ...]


HEAD_WIDTH = 64
ROTARY = (8, 12, 12)  # frequencies for time, row and column: half of the head width
ROTARY_BASE = 256.0
PLACE_FREQUENCIES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class DiTConfig:
    width: int
    depth: int
    latent_channels: int = 16
    text_width: int = 384
    mlp_ratio: int = 4

    def __post_init__(self) -> None:
        if self.width < HEAD_WIDTH or self.width % HEAD_WIDTH:
            raise ConfigError(f"transformer width {self.width}: choose a multiple of {HEAD_WIDTH}")
        if self.depth < 1:
            raise ConfigError(f"transformer depth {self.depth}: must be at least 1")


def sinusoid(sigma: Float[Tensor, "b m"], width: int) -> Float[Tensor, "b m d"]:
    """Waves of `sigma`, from one period over [0, 1] to a thousand."""
    frequencies = torch.exp(
        torch.linspace(0, math.log(1000), width // 2, device=sigma.device, dtype=torch.float32)
    )
    angles = sigma.float()[..., None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def rotary_angles(places: Float[Tensor, "b n 5"]) -> Float[Tensor, "b 1 n k"]:
    """The angle by which each pair of a token's query and key features is turned."""
    angles = [
        places[..., axis, None]
        * ROTARY_BASE ** -torch.linspace(0, 1, count, device=places.device, dtype=torch.float32)
        for axis, count in enumerate(ROTARY)
    ]
    return torch.cat(angles, dim=-1)[:, None]


def turn(x: Float[Tensor, "b h n k"], cos: Tensor, sin: Tensor) -> Float[Tensor, "b h n k"]:
    """`x` with its first and second half of features turned as pairs. Su et al. 2021."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def place_features(places: Float[Tensor, "b n 5"]) -> Float[Tensor, "b n f"]:
    """Where a token is within the picture, as waves, and how near it is to the first frame."""
    scales = math.pi / 2 * 2.0 ** torch.arange(PLACE_FREQUENCIES, device=places.device)
    waves = rearrange(places[..., 3:, None] * scales, "b n a f -> b n (a f)")
    nearness = 1 / (1 + places[..., :1].abs())
    return torch.cat([waves.sin(), waves.cos(), nearness], dim=-1)


def modulate(
    x: Float[Tensor, "b n d"],
    shift: Float[Tensor, "b m d"],
    scale: Float[Tensor, "b m d"],
    clips: Clips | None = None,
) -> Float[Tensor, "b n d"]:
    """`x` normalised, then scaled and shifted by the noise level of each of its runs of tokens."""

    def apply(runs: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        return torch.addcmul(shift, runs, 1 + scale)

    return run_by_run(apply, layer_norm(x, x.shape[-1:]), (shift, scale), clips)


def gated(
    x: Float[Tensor, "b n d"],
    gate: Float[Tensor, "b m d"],
    y: Float[Tensor, "b n d"],
    clips: Clips | None = None,
) -> Float[Tensor, "b n d"]:
    return x + run_by_run(torch.mul, y, (gate,), clips)


def run_by_run(
    apply: Callable[..., Tensor], x: Tensor, levels: tuple[Tensor, ...], clips: Clips | None
) -> Float[Tensor, "b n d"]:
    """`apply` of each run of the tokens `x` and of the rows of `levels` that are for it."""
    if clips is not None:
        rows = zip(*(level.split(clips.levels, dim=1) for level in levels), strict=True)
        parts = zip(x.split(clips.tokens, dim=1), rows, strict=True)
        return torch.cat([run_by_run(apply, part, row, None) for part, row in parts], dim=1)
    runs = rearrange(x, "b (m s) d -> b m s d", m=levels[0].shape[1])
    return apply(runs, *(level[:, :, None] for level in levels)).flatten(1, 2)


class TextAttention(nn.Module):
    """Each patch looks at the words."""

    def __init__(self, width: int, layers: Layers) -> None:
        super().__init__()
        self.norm = layers.LayerNorm(width)
        self.query = layers.Linear(width, width)
        self.norm_query = layers.LayerNorm(HEAD_WIDTH)
        self.key_value = layers.Linear(width, 2 * width)
        self.norm_key = layers.LayerNorm(HEAD_WIDTH)
        self.out = layers.Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        text: Float[Tensor, "b l d"],
        mask: Seen | None,
        attend: Attend,
    ) -> Float[Tensor, "b n d"]:
        q = rearrange(self.query(self.norm(x)), "b n (h k) -> b h n k", k=HEAD_WIDTH)
        k, v = rearrange(self.key_value(text), "b l (s h k) -> s b h l k", s=2, k=HEAD_WIDTH)
        y = attend(self.norm_query(q).to(v), self.norm_key(k).to(v), v, mask)
        return x + self.out(rearrange(y, "b h n k -> b n (h k)"))


class DiTBlock(nn.Module):
    """Attention among patches, to the words, then an MLP; all steered by the noise level."""

    def __init__(self, config: DiTConfig, layers: Layers) -> None:
        super().__init__()
        width, hidden = config.width, config.width * config.mlp_ratio
        self.modulation = layers.Linear(width, 6 * width)
        self.qkv = layers.Linear(width, 3 * width)
        self.norm_query = layers.LayerNorm(HEAD_WIDTH)
        self.norm_key = layers.LayerNorm(HEAD_WIDTH)
        self.out = layers.Linear(width, width)
        self.text = TextAttention(width, layers)
        self.mlp = nn.Sequential(
            layers.Linear(width, hidden), nn.GELU("tanh"), layers.Linear(hidden, width)
        )

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        level: Float[Tensor, "b m d"],
        text: Float[Tensor, "b l d"],
        text_mask: Seen | None,
        cos: Float[Tensor, "b 1 n k"],
        sin: Float[Tensor, "b 1 n k"],
        attend: Attend,
        attend_text: Attend,
        clips: Clips | None,
    ) -> Float[Tensor, "b n d"]:
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(level).chunk(6, dim=-1)

        y = self.qkv(modulate(x, shift_a, scale_a, clips))
        q, k, v = rearrange(y, "b n (s h k) -> s b h n k", s=3, k=HEAD_WIDTH)
        q, k = turn(self.norm_query(q), cos, sin), turn(self.norm_key(k), cos, sin)
        y = rearrange(attend(q.to(v), k.to(v), v, None), "b h n k -> b n (h k)")
        x = gated(x, gate_a, self.out(y), clips)

        x = self.text(x, text, text_mask, attend_text)

        return gated(x, gate_m, self.mlp(modulate(x, shift_m, scale_m, clips)), clips)


class DiT(nn.Module):
    """Predicts clean patches from noisy ones, their noise levels, their places and a text."""

    def __init__(self, config: DiTConfig, layers: Layers = nn) -> None:
        super().__init__()
        self.config = config
        width, patch = config.width, config.latent_channels * PATCH**2
        self.enter = layers.Linear(patch, width)
        self.handed = layers.Linear(patch + 1, width, bias=False)
        self.place = layers.Linear(4 * PLACE_FREQUENCIES + 1, width)
        self.level = nn.Sequential(
            layers.Linear(width, width), nn.SiLU(), layers.Linear(width, width)
        )
        self.norm_text = layers.LayerNorm(config.text_width)
        self.text = layers.Linear(config.text_width, width)
        self.blocks = nn.ModuleList(DiTBlock(config, layers) for _ in range(config.depth))
        self.modulation = layers.Linear(width, 2 * width)
        self.leave = layers.Linear(width, patch)
        self.take = layers.Linear(width, patch)  # how much of what is handed over is shown as it is

    def start(self) -> None:
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
        for linear in (self.modulation, self.leave, self.take):
            nn.init.zeros_(linear.get_parameter("weight"))

    def transform(
        self,
        tokens: Float[Tensor, "b n c"],
        sigma: Float[Tensor, "b m"],
        places: Float[Tensor, "b n 5"],
        text: Float[Tensor, "b l e"],
        text_mask: Bool[Tensor, "b l"] | Float[Tensor, "b n l"] | None,
        attend: Attend,
        attend_text: Attend,
        around: Around = lambda i, block, x: block(x),
        clips: Clips | None = None,
        given: Float[Tensor, "b n c1"] | None = None,
    ) -> Float[Tensor, "b n c"]:
        """Clean tokens. `sigma` in [0, 1] holds one level for each of `m` equal runs of tokens: of
        all tokens, or where `clips` says so, of each clip's. `text_mask` says which words there
        are, or how much each counts for each token, as a logarithm. `given` is what known footage
        hands to each token (`handed.py`), if there is any."""
        x = self.enter(tokens) + self.place(place_features(places).to(tokens))
        if given is not None:
            x = x + self.handed(given)
        level = silu(self.level(sinusoid(sigma, self.config.width).to(tokens)))
        words = self.text(self.norm_text(text))
        seen = None if text_mask is None else rearrange(text_mask, "b ... l -> b 1 (...) l")
        angles = rotary_angles(places)
        cos, sin = angles.cos().to(x), angles.sin().to(x)
        shared = (level, words, seen, cos, sin, attend, attend_text, clips)
        for i, block in enumerate(self.blocks):
            x = around(i, lambda y, block=block: block(y, *shared), x)
        shift, scale = self.modulation(level).chunk(2, dim=-1)
        x = modulate(x, shift, scale, clips)
        clean = self.leave(x)
        if given is None:
            return clean
        found, known = given[..., :-1].to(clean), given[..., -1:] > 0
        return clean.lerp(found, self.take(x) * known)

    def forward(
        self,
        latent: Latent,
        sigma: Float[Tensor, "#b #one #t #y #x"],
        text: Float[Tensor, "b l e"],
        text_mask: Bool[Tensor, "b l"] | Float[Tensor, "b t l"] | None = None,
        *,
        start: float | Float[Tensor, " t"] = 0.0,
        attend: Attend = scaled_dot_product_attention,
        around: Around = lambda i, block, x: block(x),
    ) -> Latent:
        """The clean latent. `sigma` broadcasts to it: one level, one a frame, or one a cell.

        `text_mask` says which words there are; or how much each counts in each latent frame, as a
        logarithm, so that every frame may be told its own.
        """
        grid = Grid(*latent.shape[2:])
        if text_mask is not None and text_mask.ndim == 3:
            text_mask = repeat(
                text_mask, "b t l -> b (t s) l", s=grid.cells // PATCH**2 // grid.frames
            )
        places = positions(grid, start, latent.device)[None].expand(len(latent), -1, -1)
        tokens, levels = patchify(latent), token_levels(sigma, len(latent), grid)
        clean = self.transform(
            tokens,
            levels,
            places,
            text.to(latent),
            text_mask,
            attend,
            attend,
            around,
            given=handed(tokens, levels, grid.frames),
        )
        return unpatchify(clean, grid)


def token_levels(
    sigma: Float[Tensor, "#b 1 #t #y #x"], batch: int, grid: Grid
) -> Float[Tensor, "b m"]:
    """The fewest noise levels a row that say what `sigma` says, the mean over a patch's cells."""
    if sigma.shape[3:] != (1, 1):
        cells = sigma.expand(-1, -1, grid.frames, grid.rows, grid.columns)
        levels = nn.functional.avg_pool3d(cells, (1, PATCH, PATCH)).flatten(1)
    else:
        levels = sigma[:, 0, :, 0, 0]
    return repeat(levels, "1 m -> b m", b=batch) if len(levels) == 1 else levels
