"""A small convolution over time is what torch makes of it, without the memory that takes."""

import pytest
import torch
from sora_nodes.nodes.host.vae.onednn_conv3d import Direct
from torch import nn

from tests.support.memory import peak_memory


def convolved(layer, x):
    with torch.inference_mode():
        return layer(x)


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": 1},
        {"padding": "same"},
        {"stride": (2, 1, 1)},
        {"dilation": 2},
        {"groups": 2},
        {"bias": False},
    ],
)
@pytest.mark.parametrize("kernel", [1, 3, (3, 1, 1)])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_directly_convolved_is_convolved(options, kernel, kind):
    layer, x = nn.Conv3d(4, 6, kernel, **options).to(kind), noise(2, 4, 5, 9, 7).to(kind)
    whole = convolved(layer, x)
    with Direct():
        direct = convolved(layer, x)
    torch.testing.assert_close(direct, whole, atol=1e-5, rtol=0)


def test_nothing_is_laid_side_by_side():
    layer, x = nn.Conv3d(8, 8, 3), noise(1, 8, 6, 98, 98)
    laid = 27 * 8 * 4 * 96 * 96 * 4  # bytes
    assert peak_memory(lambda: convolved(layer, x)) > laid
    with Direct():
        assert peak_memory(lambda: convolved(layer, x)) < laid / 5
