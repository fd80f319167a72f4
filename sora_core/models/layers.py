"""The few layers that more than one model is made of.

Axes: b batch, t frames, y rows, x columns, c channels, s earlier frames.
Activations of the autoencoder are kept as `b t y x c`: a norm over channels works on the last
axis, and a convolution sees the same memory as channels-last without a copy.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn


class Layers(Protocol):
    """Where layers with weights come from: `torch.nn`, or a host's own that cast and offload."""

    @property
    def Linear(self) -> Callable[..., nn.Module]: ...  # noqa: N802
    @property
    def Conv2d(self) -> Callable[..., nn.Module]: ...  # noqa: N802
    @property
    def LayerNorm(self) -> Callable[..., nn.Module]: ...  # noqa: N802
    @property
    def Embedding(self) -> Callable[..., nn.Module]: ...  # noqa: N802


def written_out_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax attention as three steps. Below some 300 tokens its gradient on a CPU takes a third
    of the time of the fused kernel's; training there uses it."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=-1).to(v.dtype) @ v


class CausalConv(nn.Module):
    """A convolution over the current and the `time - 1` earlier frames, and `space` x `space`
    pixels.

    The frames are laid side by side in the channels and convolved in 2-D: on a CPU at batch 1 this
    runs several times faster than a 3-D convolution. Before the first frame stands the first frame
    itself.
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
        """The convolved frames, and the last inputs: the `past` of the frames that follow."""
        batch, frames = x.shape[:2]
        earlier = self.time - 1
        if past is None:
            past = x[:, :1].expand(-1, earlier, -1, -1, -1)
        if earlier:
            window = torch.cat([past.to(x.dtype), x], dim=1)
            x = torch.cat([window[:, i : i + frames] for i in range(self.time)], dim=-1)
            past = window[:, frames:].clone()  # a view would keep the whole window alive
        # In two steps: in one, a single frame gets strides that torch takes for channels-first.
        flat = rearrange(x, "b t y x c -> (b t) y x c")
        y = self.conv(rearrange(flat, "n y x c -> n c y x"))
        return rearrange(y, "(b t) c y x -> b t y x c", b=batch), past
