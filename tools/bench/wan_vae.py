"""The autoencoder of Wan 2.1 assembled from our causal convolution, to race it on its own weights.

Axes: b batch, t frames, y rows, x columns, c channels, n cells, s latent frames.

Like Wan it works a latent frame at a time: what a layer remembers of the frames before is in a
memory that starts out empty. Unlike ours, its causal convolutions see nothing before the first
frame, and that frame skips all that changes the number of frames.
"""

from collections.abc import Mapping
from itertools import product

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, scaled_dot_product_attention, silu

from sora_core.models.layers import CausalConv
from sora_core.shapes import COMPRESSION, Latent, Video

Weights = Mapping[str, Tensor]
Memory = dict[nn.Module, Tensor]
Activations = Float[Tensor, "b t y x c"]


def linear(weights: Weights, name: str) -> nn.Linear:
    """The convolution `name`, of one cell and one frame, as a linear layer."""
    layer = nn.Linear(1, 1)
    layer.weight = nn.Parameter(weights[f"{name}.weight"].flatten(1))
    layer.bias = nn.Parameter(weights[f"{name}.bias"])
    return layer


def flat(weights: Weights, name: str) -> nn.Conv2d:
    """The convolution `name` within frames."""
    weight = weights[f"{name}.weight"]
    layer = nn.Conv2d(*weight.shape[1::-1], weight.shape[-1])
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(weights[f"{name}.bias"])
    return layer


def within_frames(layer: nn.Module, x: Activations) -> Activations:
    flat = rearrange(x, "b t y x c -> (b t) y x c")
    y = layer(rearrange(flat, "n y x c -> n c y x"))
    return rearrange(y, "(b t) c y x -> b t y x c", b=len(x))


class Causal(nn.Module):
    """The causal convolution `name`; there is nothing before the first frame, and no work for it.

    After that, two frames at a time where they come together.
    """

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        taps = range(1, weight.shape[2] + 1)
        self.one = nn.ModuleList(side_by_side(weight[:, :, -count:], bias) for count in taps)
        self.two = Pair(weight, bias) if weight.shape[-1] > 1 else None

    def forward(self, x: Activations, memory: Memory) -> Activations:
        """`x` convolved after the frames in `memory`, which then holds at most the last two."""
        past, result = memory.get(self, x[:, :0]), []
        while x.shape[1]:
            if self.two is not None and past.shape[1] and x.shape[1] > 1:
                few, x = x[:, :2], x[:, 2:]
                result.append(self.two(few, past))
                past = few
            else:
                few, x = x[:, :1], x[:, 1:]
                result.append(self.one[past.shape[1]](few, past)[0])
                past = torch.cat([past[:, -1:], few], dim=1)
        memory[self] = past
        return torch.cat(result, dim=1) if len(result) > 1 else result[0]


class Pair(nn.Module):
    """Two frames by the products of four kernels, where frame by frame they take six.

    This is Winograd's F(2, 3) along time: kernels of sums of taps see sums of frames (Lavin and
    Gray 2016). Nothing has to be laid side by side.
    """

    def __init__(self, weight: Float[Tensor, "o c 3 k k"], bias: Float[Tensor, " o"]) -> None:
        super().__init__()
        early, middle, late = weight.unbind(2)
        half = (early + late) / 2
        self.kernels = nn.ParameterList([early, half + middle / 2, half - middle / 2, late])
        self.bias = nn.Parameter(bias)

    def forward(self, x: Activations, past: Activations) -> Activations:
        """The two frames of `x` convolved after the last two of `past`; a missing one is zero."""
        c, d = x.split(1, dim=1)
        b = past[:, -1:]
        a = past[:, -2:-1] if past.shape[1] > 1 else torch.zeros_like(b)
        observed = (a - c, b + c, c - b, b - d)
        p, q, r, s = (self.product(i, frame) for i, frame in enumerate(observed))
        result = torch.empty_like(p.expand(-1, 2, -1, -1, -1))
        torch.add(p.add_(q), r, out=result[:, :1])
        torch.sub(q.sub_(r), s, out=result[:, 1:])
        return result

    def product(self, i: int, frame: Activations) -> Activations:
        kernel, bias = self.kernels[i], self.bias if i == 1 else None  # the one that both contain
        y = conv2d(rearrange(frame, "b 1 y x c -> b c y x"), kernel, bias, padding="same")
        return rearrange(y, "b c y x -> b 1 y x c")


def side_by_side(weight: Float[Tensor, "o c s k k"], bias: Float[Tensor, " o"]) -> CausalConv:
    """A convolution over as many frames as `weight` has."""
    out, channels, time, _, space = weight.shape
    layer = CausalConv(channels, out, time=time, space=space)
    layer.conv.weight = nn.Parameter(rearrange(weight, "o c s y x -> o (s c) y x"))
    layer.conv.bias = nn.Parameter(bias)
    return layer


class Norm(nn.Module):
    """Each cell's channels to a mean square of 1, then scaled.

    The sum of squares is a product with ones: the reductions of torch are slow over few channels.
    """

    ones: Tensor

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        scale = weights[f"{name}.gamma"].flatten()
        self.scale = nn.Parameter(scale * len(scale) ** 0.5)
        self.register_buffer("ones", torch.ones(len(scale), 1))

    def forward(self, x: Activations) -> Activations:
        y = x.square()
        length = (y @ self.ones).clamp_(min=1e-24).rsqrt_()
        return torch.mul(x, length, out=y).mul_(self.scale)


class Residual(nn.Module):
    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.norms = nn.ModuleList(Norm(weights, f"{name}.norm{i}") for i in (1, 2))
        self.convs = nn.ModuleList(Causal(weights, f"{name}.conv{i}") for i in (1, 2))
        shortcut = f"{name}.conv_shortcut"
        known = f"{shortcut}.weight" in weights
        self.shortcut = linear(weights, shortcut) if known else nn.Identity()

    def forward(self, x: Activations, memory: Memory) -> Activations:
        y = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            y = conv(silu(norm(y), inplace=True), memory)
        return y.add_(self.shortcut(x))


class Attention(nn.Module):
    """All cells of a frame look at each other, with one head."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.norm = Norm(weights, f"{name}.norm")
        self.qkv = linear(weights, f"{name}.to_qkv")
        self.out = linear(weights, f"{name}.proj")

    def forward(self, x: Activations, memory: Memory) -> Activations:
        qkv = rearrange(self.qkv(self.norm(x)), "b t y x (s c) -> s b t (y x) c", s=3)
        y = scaled_dot_product_attention(*qkv)
        return x + self.out(y).view_as(x)


class Shrink(nn.Module):
    """Half the rows and columns; where Wan has a layer for it, half the frames too."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.space = flat(weights, f"{name}.resample.1")
        self.space.stride = (2, 2)
        self.time = None
        if f"{name}.time_conv.weight" in weights:
            weight = weights[f"{name}.time_conv.weight"]
            frames = {"time.weight": rearrange(weight, "o c s 1 1 -> o (s c)")}
            self.time = linear(frames | {"time.bias": weights[f"{name}.time_conv.bias"]}, "time")

    def forward(self, x: Activations, memory: Memory) -> Activations:
        """`x` at half the rows and columns, and after the first frame at half the frames.

        With a time layer, `memory` then holds the last frame of `x`, already reduced in space.
        """
        x = within_frames(self.space, pad(x, (0, 0, 0, 1, 0, 1)))
        if self.time is None:
            return x
        before, memory[self] = memory.get(self), x[:, -1:]
        if before is None:
            return x
        window = torch.cat([before, x], dim=1)
        return self.time(torch.cat([window[:, :-1:2], window[:, 1::2], window[:, 2::2]], dim=-1))


class Grow(nn.Module):
    """Twice the rows and columns; where Wan has a layer for it, twice the frames too.

    Wan repeats each cell before a 3x3 convolution. Of the nine cells under the kernel then only
    four are different, so here each corner of a new 2x2 block has a 2x2 kernel of sums.
    """

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        weight, bias = (weights[f"{name}.resample.1.{kind}"] for kind in ("weight", "bias"))
        sums = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
        corners = torch.einsum("o c k l, i r k, j s l -> i j o c r s", weight, sums, sums)
        out, channels = weight.shape[:2]
        self.space = nn.Conv2d(channels, 4 * out, 2, padding=1)
        self.space.weight = nn.Parameter(rearrange(corners, "i j o c r s -> (i j o) c r s"))
        self.space.bias = nn.Parameter(bias.repeat(4))
        known = f"{name}.time_conv.weight" in weights
        self.time = Causal(weights, f"{name}.time_conv") if known else None

    def forward(self, x: Activations, memory: Memory) -> Activations:
        """`x` at twice the rows and columns, and after the first frame at twice the frames.

        `memory` records that the first frame is done.
        """
        if self.time is not None and self in memory:
            x = rearrange(self.time(x, memory), "b t y x (f c) -> b (t f) y x c", f=2)
        memory[self] = x[:, :0]  # the first frame has been
        rows, columns = x.shape[2:4]
        corners = within_frames(self.space, x).chunk(4, dim=-1)
        blocks = [
            corner[:, :, i : i + rows, j : j + columns]
            for corner, (i, j) in zip(corners, product(range(2), range(2)), strict=True)
        ]
        return rearrange(torch.stack(blocks), "(i j) b t y x c -> b t (y i) (x j) c", i=2)


def layer(weights: Weights, name: str) -> nn.Module:
    """The layer called `name`, of the kind that its weights are of."""
    if f"{name}.to_qkv.weight" in weights:
        return Attention(weights, name)
    if f"{name}.resample.1.weight" in weights:
        return (Shrink if name.startswith("encoder") else Grow)(weights, name)
    return Residual(weights, name)


class Head(nn.Module):
    """What leaves the encoder or the decoder."""

    def __init__(self, weights: Weights, side: str) -> None:
        super().__init__()
        self.norm = Norm(weights, f"{side}.norm_out")
        self.conv = Causal(weights, f"{side}.conv_out")

    def forward(self, x: Activations, memory: Memory) -> Activations:
        return self.conv(silu(self.norm(x), inplace=True), memory)


def stack(weights: Weights, side: str, names: tuple[str, ...]) -> nn.ModuleList:
    """The encoder or the decoder: layers in order between two convolutions."""
    inner = (layer(weights, f"{side}.{name}") for name in names)
    return nn.ModuleList([Causal(weights, f"{side}.conv_in"), *inner, Head(weights, side)])


def run(layers: nn.ModuleList, x: Activations, memory: Memory) -> Activations:
    for each in layers:
        x = each(x, memory)
    return x


def by_pairs(layers: nn.ModuleList, x: Activations, memory: Memory) -> Activations:
    """`run`, two frames at a time: large ones then stay in the cache, and in memory that has been
    used before, for fresh pages cost as much as the work."""
    return torch.cat([run(layers, few, memory) for few in x.split(2, dim=1)], dim=1)


MIDDLE = ("mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1")
DOWN = tuple(f"down_blocks.{i}" for i in range(11))
RESIDUALS = ("resnets.0", "resnets.1", "resnets.2")
UP = tuple(f"up_blocks.{i}.{name}" for i in range(4) for name in (*RESIDUALS, "upsamplers.0"))[:-1]
LARGE_DOWN, LARGE_UP = 6, -8  # the layers of full and half size, where the frames do not change


class WanVAE(nn.Module):
    """Encodes and decodes with the weights of a Wan 2.1 autoencoder, to the same numbers."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.encoder = stack(weights, "encoder", DOWN + MIDDLE)
        self.decoder = stack(weights, "decoder", MIDDLE + UP)
        self.to_latent = linear(weights, "quant_conv")
        self.from_latent = linear(weights, "post_quant_conv")

    def encode(self, video: Video) -> Float[Tensor, "b c s y x"]:
        """Means and logarithms of variances of 1 + 4k frames."""
        frames, memory = rearrange(video, "b c t y x -> b t y x c").contiguous(), Memory()
        large, small = self.encoder[:LARGE_DOWN], self.encoder[LARGE_DOWN:]
        lengths = [1] + [COMPRESSION.time] * (video.shape[2] // COMPRESSION.time)
        cells = [run(small, by_pairs(large, x, memory), memory) for x in frames.split(lengths, 1)]
        return rearrange(self.to_latent(torch.cat(cells, dim=1)), "b t y x c -> b c t y x")

    def decode(self, latent: Latent) -> Video:
        cells, memory = self.from_latent(rearrange(latent, "b c t y x -> b t y x c")), Memory()
        small, large = self.decoder[:LARGE_UP], self.decoder[LARGE_UP:]
        frames = [by_pairs(large, run(small, x, memory), memory) for x in cells.split(1, 1)]
        return rearrange(torch.cat(frames, dim=1), "b t y x c -> b c t y x").clamp(-1, 1)
