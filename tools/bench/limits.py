"""The speed of one thread of this machine in products, attention and convolutions of our sizes."""

from collections.abc import Callable, Iterator

import torch
from torch.nn.functional import conv3d, linear, scaled_dot_product_attention

from sora_core.measure.report import Figure
from sora_core.models.layers import CausalConv

from .race import Candidate, flops, gemm, race

TOKENS, WIDTH, HEADS, HEAD_WIDTH = 1280, 384, 6, 64
CONVOLUTIONS = {"32x9x64x64": (32, 9, 64), "128x5x32x32": (128, 5, 32)}  # channels, frames, side
SMOKE_CONVOLUTIONS = {"32x5x16x16": (32, 5, 16)}


@torch.inference_mode()
def run(rounds: int, smoke: bool) -> Iterator[Figure]:
    """The times and GF/s of square products, and of layers and convolutions of our sizes."""
    sides = (256,) if smoke else (1024, 2048)
    works = {f"gemm_{side}": gemm(side) for side in sides}
    works |= {name: Candidate(work, flops(work)) for name, work in layers().items()}
    yield from race("limits", works, rounds).figures()
    for name, sizes in (SMOKE_CONVOLUTIONS if smoke else CONVOLUTIONS).items():
        yield from convolution(name, *sizes, rounds)


def layers() -> dict[str, Callable[[], object]]:
    """The products and the attention of one block, each as a function of fixed random inputs."""
    x, wide = torch.randn(TOKENS, WIDTH), torch.randn(TOKENS, 4 * WIDTH)
    qkv, up = torch.randn(3 * WIDTH, WIDTH), torch.randn(4 * WIDTH, WIDTH)
    heads = torch.randn(3, 1, HEADS, TOKENS, HEAD_WIDTH)
    return {
        "linear_384_1152": lambda: linear(x, qkv),
        "linear_384_1536": lambda: linear(x, up),
        "linear_1536_384": lambda: linear(wide, up.T),
        "attention_1280": lambda: scaled_dot_product_attention(*heads),
    }


def convolution(name: str, channels: int, frames: int, side: int, rounds: int) -> Iterator[Figure]:
    """Torch's own 3-D convolution of one clip against our causal one of the same cost."""
    x = torch.randn(1, channels, frames, side, side)
    cells = torch.randn(1, frames, side, side, channels)
    ours = CausalConv(channels, channels, time=3, space=3)
    weight = torch.randn(channels, channels, 3, 3, 3)

    def plain() -> object:
        return conv3d(x, weight, padding=1)

    work = flops(plain)
    candidates = {"conv3d": Candidate(plain, work), "causal": Candidate(lambda: ours(cells), work)}
    done = race(f"limits/{name}", candidates, rounds)
    yield from done.figures()
    yield from done.verdict(f"limits/causal_vs_conv3d_{name}", "causal")
