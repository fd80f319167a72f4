"""The small learner: a diffusion transformer on pixels, and the papers' variants of its parts.

Axes: b clips, n tokens, c numbers of a token, d width, t y x places.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import layer_norm, scaled_dot_product_attention, silu

from .clips import FRAMES, PROMPTS

PATCH_FRAMES, PATCH = 2, 4
TIMES = FRAMES // PATCH_FRAMES  # patches in time, one after the other in a row of tokens
TOKEN = 3 * PATCH_FRAMES * PATCH**2
HEAD = 32
JOINT, FACTORISED = "joint", "factorised"
Tokens = Float[Tensor, "b n d"]
Places = Int[Tensor, "b n 3"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnerConfig:
    """`attention` is JOINT, or FACTORISED: in each block over the frame, then over time.

    FACTORISED needs all tokens of a clip.
    """

    width: int = 96
    depth: int = 4
    attention: str = JOINT


def patches(video: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b n c"]:
    return rearrange(
        video, "b c (t f) (y i) (x j) -> b (t y x) (c f i j)", f=PATCH_FRAMES, i=PATCH, j=PATCH
    )


def video_of(tokens: Float[Tensor, "b n c"], rows: int, columns: int) -> Float[Tensor, "b 3 t y x"]:
    """The video of the tokens of `patches`; `rows` and `columns` are in pixels."""
    return rearrange(
        tokens, "b (t y x) (c f i j) -> b c (t f) (y i) (x j)",
        y=rows // PATCH, x=columns // PATCH, c=3, f=PATCH_FRAMES, i=PATCH,
    )  # fmt: skip


def places_of(video: Float[Tensor, "b 3 t y x"]) -> Places:
    """Time, row and column of each patch; rows and columns are counted from the middle."""
    t, y, x = video.shape[2] // PATCH_FRAMES, video.shape[3] // PATCH, video.shape[4] // PATCH
    axes = torch.arange(t), torch.arange(y) - y // 2, torch.arange(x) - x // 2
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    return grid.view(1, -1, 3).expand(len(video), -1, -1)


def waves(values: Tensor, count: int) -> Tensor:
    """Sines and cosines of `values` at `count` frequencies, in a new last axis."""
    angles = values[..., None].float() * (torch.pi * 2.0 ** -torch.arange(count))
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tokens) -> Tokens:
        q, k, v = rearrange(self.qkv(x), "b n (s h k) -> s b h n k", s=3, k=HEAD)
        return self.out(rearrange(scaled_dot_product_attention(q, k, v), "b h n k -> b n (h k)"))


class Block(nn.Module):
    """Attention and an MLP, modulated by the noise level and the prompt."""

    def __init__(self, config: LearnerConfig) -> None:
        super().__init__()
        width, parts = config.width, 1 if config.attention == JOINT else 2
        self.attention = nn.ModuleList(Attention(width) for _ in range(parts))
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width)
        )
        self.modulation = nn.Linear(width, 3 * (parts + 1) * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tokens, level: Float[Tensor, "b d"]) -> Tokens:
        """The tokens after attention and the MLP; split attention is in space, then in time."""
        modulated = self.modulation(level)[:, None].chunk(len(self.attention) + 1, dim=-1)
        for axis, attention in enumerate(self.attention):
            shift, scale, gate = modulated[axis].chunk(3, dim=-1)
            y = layer_norm(x, x.shape[-1:]) * (1 + scale) + shift
            if len(self.attention) == 1:
                y = attention(y)
            elif axis == 0:
                y = attention(rearrange(y, "b (t s) d -> (b t) s d", t=TIMES))
                y = rearrange(y, "(b t) s d -> b (t s) d", t=TIMES)
            else:
                y = attention(rearrange(y, "b (t s) d -> (b s) t d", t=TIMES))
                y = rearrange(y, "(b s) t d -> b (t s) d", b=len(x))
            x = x + (1 + gate) * y
        shift, scale, gate = modulated[-1].chunk(3, dim=-1)
        y = layer_norm(x, x.shape[-1:]) * (1 + scale) + shift
        return x + (1 + gate) * self.mlp(y)


class Learner(nn.Module):
    """Predicts clean patches from noisy ones."""

    def __init__(self, config: LearnerConfig) -> None:
        super().__init__()
        width = config.width
        self.proj_in, self.place = nn.Linear(TOKEN, width), nn.Linear(3 * 12, width)
        self.prompt = nn.Embedding(len(PROMPTS) + 1, width)
        self.level = nn.Sequential(nn.Linear(32, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.proj_out = nn.Linear(width, TOKEN)
        self.mask_token = nn.Parameter(torch.zeros(width))
        self.predictor = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU("tanh"), nn.Linear(2 * width, width)
        )
        nn.init.zeros_(self.proj_out.weight)

    def embedded(self, tokens: Float[Tensor, "b n c"], places: Places) -> Tokens:
        return self.proj_in(tokens) + self.places(places)

    def places(self, places: Places) -> Tokens:
        return self.place(waves(places, 6).flatten(-2))

    def condition(self, sigma: Float[Tensor, " b"], prompts: Int[Tensor, " b"]) -> Tensor:
        """The noise level and the prompt, embedded; prompt len(PROMPTS) is none."""
        return silu(self.level(waves(sigma * 8, 16)) + self.prompt(prompts))

    def features(
        self,
        tokens: Float[Tensor, "b n c"],
        places: Places,
        sigma: Float[Tensor, " b"],
        prompts: Int[Tensor, " b"],
    ) -> list[Tokens]:
        """What each block returns for noisy tokens."""
        x, level = self.embedded(tokens, places), self.condition(sigma, prompts)
        return [x := block(x, level) for block in self.blocks]

    def predicted(self, x: Tokens) -> Float[Tensor, "b n c"]:
        """The clean tokens for the features behind the last block."""
        return self.proj_out(layer_norm(x, x.shape[-1:]))

    def forward(
        self,
        tokens: Float[Tensor, "b n c"],
        places: Places,
        sigma: Float[Tensor, " b"],
        prompts: Int[Tensor, " b"],
    ) -> Float[Tensor, "b n c"]:
        """The clean tokens for noisy ones."""
        return self.predicted(self.features(tokens, places, sigma, prompts)[-1])
