"""A convolution in bands of rows is the convolution, and takes none of the memory of the whole."""

import pytest
import torch
from sora_nodes.nodes.host import bands
from sora_nodes.nodes.host.bands import Bands
from torch import nn

from tests.memory import peak_memory


def convolved(layer, x):
    with torch.inference_mode():
        return layer(x)


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("laid", [1, 20_000, 2**21])
@pytest.mark.parametrize("kernel", [1, 3, (3, 1, 1), (1, 5, 2)])
@pytest.mark.parametrize("batch", [1, 2])
def test_bands_of_any_height_are_the_whole(monkeypatch, laid, kernel, batch):
    monkeypatch.setattr(bands, "LAID", laid)
    layer, x = nn.Conv3d(3, 4, kernel), noise(batch, 3, 5, 11, 7)
    whole = convolved(layer, x)
    with Bands():
        banded = convolved(layer, x)
    torch.testing.assert_close(banded, whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "options",
    [{"padding": 1}, {"padding": "same"}, {"stride": (2, 1, 1)}, {"dilation": 2}, {"groups": 2}],
)
def test_any_other_convolution_is_left_to_torch(options, monkeypatch):
    monkeypatch.setattr(bands, "in_bands", None)
    layer, x = nn.Conv3d(4, 4, 3, **options), noise(1, 4, 5, 7, 7)
    whole = convolved(layer, x)
    with Bands():
        assert torch.equal(convolved(layer, x), whole)


def test_beside_its_output_a_band_takes_no_more_than_stated():
    layer, x = nn.Conv3d(8, 8, 3), noise(1, 8, 6, 98, 98)
    made = 8 * 4 * 96 * 96 * 4  # bytes
    whole = peak_memory(lambda: convolved(layer, x))
    with Bands():
        banded = peak_memory(lambda: convolved(layer, x))
    assert banded <= made + 1.5 * bands.LAID  # the band itself is copied too
    assert banded < whole / 5
