"""The transformer of Wan assembled from parts of ours, to race it on its own weights.

Axes: b batch, c channels, t frames, y rows, x columns, n tokens, d width, h heads, k head width,
l text tokens, e text width.
"""

import math
from collections.abc import Mapping

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from sora_core.models.dit import DIT_HEAD_WIDTH, apply_rope
from sora_core.models.noise_levels import gated_residual, modulate
from sora_core.models.patchify import LATENT_PATCH, patchify, unpatchify
from sora_core.shapes import Grid, Latent

EPSILON = 1e-5  # of our norms; Wan takes any
FREQUENCIES = 256  # of the noise level
PERIOD = 10_000.0
ROTARY = (24, 20, 20)  # features of a head that turn with time, row and column

TURNED = ("to_q", "to_k", "norm_q", "norm_k")

Weights = Mapping[str, Tensor]


def linear(weights: Weights, *names: str) -> nn.Linear:
    """The layers called `names` side by side in one."""
    layer = nn.Linear(1, 1)
    layer.weight = nn.Parameter(torch.cat([weights[f"{name}.weight"] for name in names]))
    layer.bias = nn.Parameter(torch.cat([weights[f"{name}.bias"] for name in names]))
    return layer


def halves(weights: Weights, *names: str) -> dict[str, Tensor]:
    """`weights`, where those in `names` turn first and second halves of a head, not neighbours."""
    moved = {
        f"{name}.{kind}": rearrange(
            weights[f"{name}.{kind}"],
            "(h k two) ... -> (h two k) ...",
            k=DIT_HEAD_WIDTH // 2,
            two=2,
        )
        for name in names
        for kind in ("weight", "bias")
        if f"{name}.{kind}" in weights
    }
    return dict(weights) | moved


def rms_norm(weights: Weights, name: str) -> nn.RMSNorm:
    norm = nn.RMSNorm(len(weights[f"{name}.weight"]), EPSILON)
    norm.weight = nn.Parameter(weights[f"{name}.weight"])
    return norm


def heads(x: Float[Tensor, "b n d"]) -> Float[Tensor, "b h n k"]:
    return rearrange(x, "b n (h k) -> b h n k", k=DIT_HEAD_WIDTH)


def attend(
    q: Float[Tensor, "b h n k"], k: Float[Tensor, "b h l k"], v: Float[Tensor, "b h l k"]
) -> Float[Tensor, "b n d"]:
    return rearrange(scaled_dot_product_attention(q, k, v), "b h n k -> b n (h k)")


class WanBlock(nn.Module):
    def __init__(self, weights: Weights) -> None:
        super().__init__()
        weights = halves(weights, *(f"attn1.{name}" for name in TURNED))
        self.modulation = nn.Parameter(weights["scale_shift_table"])
        self.qkv = linear(weights, "attn1.to_q", "attn1.to_k", "attn1.to_v")
        self.norm_query = rms_norm(weights, "attn1.norm_q")
        self.norm_key = rms_norm(weights, "attn1.norm_k")
        self.out = linear(weights, "attn1.to_out.0")
        self.norm_text = nn.LayerNorm(self.out.weight.shape[0], EPSILON)
        self.norm_text.weight = nn.Parameter(weights["norm2.weight"])
        self.norm_text.bias = nn.Parameter(weights["norm2.bias"])
        self.text_query = linear(weights, "attn2.to_q")
        self.text_key_value = linear(weights, "attn2.to_k", "attn2.to_v")
        self.norm_text_query = rms_norm(weights, "attn2.norm_q")
        self.norm_text_key = rms_norm(weights, "attn2.norm_k")
        self.text_out = linear(weights, "attn2.to_out.0")
        self.mlp = nn.Sequential(
            linear(weights, "ffn.net.0.proj"), nn.GELU("tanh"), linear(weights, "ffn.net.2")
        )

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        level: Float[Tensor, "b 6 d"],
        text: Float[Tensor, "b l d"],
        cos: Float[Tensor, "n k"],
        sin: Float[Tensor, "n k"],
    ) -> Float[Tensor, "b n d"]:
        """The tokens after self-attention, attention to `text` and the MLP.

        `level` holds shift, scale and gate of self-attention, then those of the MLP.
        """
        modulation = (self.modulation + level).chunk(6, dim=1)
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = modulation

        q, k, v = self.qkv(modulate(x, shift_a, scale_a)).chunk(3, dim=-1)
        q = apply_rope(heads(self.norm_query(q)), cos, sin)
        k = apply_rope(heads(self.norm_key(k)), cos, sin)
        x = gated_residual(x, gate_a, self.out(attend(q, k, heads(v))))

        q = self.norm_text_query(self.text_query(self.norm_text(x)))
        k, v = self.text_key_value(text).chunk(2, dim=-1)
        x = x + self.text_out(attend(heads(q), heads(self.norm_text_key(k)), heads(v)))

        return gated_residual(x, gate_m, self.mlp(modulate(x, shift_m, scale_m)))


class WanDiT(nn.Module):
    """Predicts a velocity, as Wan does, from the weights of a Wan of heads 64 wide."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        stem = weights["patch_embedding.weight"]
        self.proj_in = nn.Linear(1, 1)
        self.proj_in.weight = nn.Parameter(rearrange(stem, "d c 1 i j -> d (i j c)"))
        self.proj_in.bias = nn.Parameter(weights["patch_embedding.bias"])
        embed = "condition_embedder"
        self.level = nn.Sequential(
            linear(weights, f"{embed}.time_embedder.linear_1"),
            nn.SiLU(),
            linear(weights, f"{embed}.time_embedder.linear_2"),
        )
        self.levels = linear(weights, f"{embed}.time_proj")
        self.text = nn.Sequential(
            linear(weights, f"{embed}.text_embedder.linear_1"),
            nn.GELU("tanh"),
            linear(weights, f"{embed}.text_embedder.linear_2"),
        )
        depth = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
        self.blocks = nn.ModuleList(WanBlock(below(weights, f"blocks.{i}.")) for i in range(depth))
        self.modulation = nn.Parameter(weights["scale_shift_table"])
        self.proj_out = linear(weights, "proj_out")

    def forward(
        self, latent: Latent, timestep: Float[Tensor, " b"], text: Float[Tensor, "b l e"]
    ) -> Latent:
        """The velocity at `latent`; `timestep` runs from 1000 (noise) to 0 (clean)."""
        grid = Grid(*latent.shape[2:])
        level = self.level(waves(timestep))
        levels = rearrange(self.levels(silu(level)), "b (s d) -> b s d", s=6)
        words = self.text(text)
        angles = rotary_angles(grid)
        cos, sin = angles.cos(), angles.sin()
        x = self.proj_in(patchify(latent))
        for block in self.blocks:
            x = block(x, levels, words, cos, sin)
        shift, scale = (self.modulation + level[:, None]).chunk(2, dim=1)
        return unpatchify(self.proj_out(modulate(x, shift, scale)), grid)


def below(weights: Weights, prefix: str) -> Weights:
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def waves(timestep: Float[Tensor, " b"]) -> Float[Tensor, "b f"]:
    steps = torch.arange(FREQUENCIES // 2, dtype=torch.float32) / (FREQUENCIES // 2)
    angles = timestep[:, None].float() * torch.exp(-math.log(PERIOD) * steps)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def rotary_angles(grid: Grid) -> Float[Tensor, "n k"]:
    """The angle of each pair of a head's features; counted from a corner, as Wan does."""
    axes = [
        torch.arange(side)
        for side in (grid.frames, grid.rows // LATENT_PATCH, grid.columns // LATENT_PATCH)
    ]
    turns = [
        place.flatten()[:, None] * PERIOD ** -(torch.arange(0, width, 2).double() / width)
        for place, width in zip(torch.meshgrid(*axes, indexing="ij"), ROTARY, strict=True)
    ]
    return torch.cat(turns, dim=-1).float()
