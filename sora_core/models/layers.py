"""Layers that several models share.

Axes: b batch, t frames, y rows, x columns, c channels, o output channels, s earlier frames.
Activations of the autoencoder are stored as `b t y x c`: a norm over channels works on the last
axis, and a convolution reads the same memory as channels-last without a copy.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

FEW_TOKENS = 320  # up to here attention written out trains faster on a CPU


class Layers(Protocol):
    """The source of layers with weights: `torch.nn`, or a host's layers that cast and offload."""

    @property
    def Linear(self) -> Callable[..., nn.Module]: ...  # noqa: N802
    @property
    def Conv2d(self) -> Callable[..., nn.Module]: ...  # noqa: N802
    @property
    def LayerNorm(self) -> Callable[..., nn.Module]: ...  # noqa: N802
    @property
    def Embedding(self) -> Callable[..., nn.Module]: ...  # noqa: N802


def written_out_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax attention of q, k, v (... n k) in three steps; True in `mask` allows a pair.

    Training on a CPU uses it: below about 300 tokens its gradient takes a third of the time of the
    fused kernel's.
    """
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=-1).to(v.dtype) @ v


class CausalConv(nn.Module):
    """A causal convolution over `time` frames, the current one last, and `space` x `space` cells.

    The frames are concatenated along the channels and convolved in 2-D: on a CPU at batch 1 this is
    several times faster than a 3-D convolution. The first frame is repeated as its own past.
    """

    def __init__(
        self, channels: int, out: int, *, time: int = 1, space: int = 1, layers: Layers = nn
    ) -> None:
        super().__init__()
        self.time = time
        self.conv = layers.Conv2d(channels * time, out, space, padding=space // 2)

    def forward(
        self, x: Float[Tensor, "b t y x c"], past: Float[Tensor, "b s y x c"] | None = None
    ) -> tuple[Float[Tensor, "b t y x o"], Float[Tensor, "b s y x c"]]:
        """The convolved frames, and the last `time - 1` inputs, the `past` for the next frames."""
        batch, frames = x.shape[:2]
        earlier = self.time - 1
        if past is None:
            past = x[:, :1].expand(-1, earlier, -1, -1, -1)
        if earlier:
            window = torch.cat([past.to(x.dtype), x], dim=1)
            x = torch.cat([window[:, i : i + frames] for i in range(self.time)], dim=-1)
            past = window[:, frames:].clone()  # a view would keep the whole window alive
        # Two steps: in one, a single frame gets strides that torch mistakes for channels-first.
        flat = rearrange(x, "b t y x c -> (b t) y x c")
        y = self.conv(rearrange(flat, "n y x c -> n c y x"))
        return rearrange(y, "(b t) c y x -> b t y x c", b=batch), past
