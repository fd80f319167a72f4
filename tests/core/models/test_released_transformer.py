"""The transformer of the released file gives the numbers it gave when it was released."""

import pytest
import torch

from sora_core.checkpoints.checkpoint import load_transformer, read_config
from sora_core.models.packing import PackedClip, denoise_packed
from sora_core.pipeline.generate import MODELS, SHIPPED

# Recorded from the code that the file was released with: sum, and sum of magnitudes. Other
# processors and numbers of threads add up in another order.
RECORDED = {
    "one level": (-52.208860, 1661.150978),
    "a known frame, a later window": (-118.680489, 2167.636059),
    "a known box, a text of each frame": (-121.142316, 2138.202107),
    "packed": (22.579104, 1165.322168),
    "packed still": (15.893482, 72.642669),
}


def level(value):
    return torch.full((1, 1, 1, 1, 1), value)


@torch.inference_mode()
def outputs():
    path = MODELS / SHIPPED
    model = load_transformer(path, read_config(path))
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(2, 16, 3, 6, 8, generator=generator)
    text = torch.randn(2, 9, 384, generator=generator)
    words = torch.ones(2, 9, dtype=torch.bool)
    words[0, 6:] = False
    frames = torch.full((2, 1, 3, 1, 1), 0.6)
    frames[:, :, 0] = 0
    box = torch.full((2, 1, 3, 6, 8), 0.5)
    box[..., 2:4, 2:6] = 0
    clip = PackedClip(x[:1], level(0.4), text[:1])
    still = PackedClip(x[:1, :, :1, :4, :4], level(0.9), text[1:2, :5])
    return [
        model(x, level(0.7), text, words),
        model(x, frames, text, None, start=2.0),
        model(x, box, text, torch.zeros(2, 3, 9)),
        *denoise_packed(model, [clip, still]),
    ]


def test_the_released_transformer_gives_its_recorded_numbers():
    for (total, size), predicted in zip(RECORDED.values(), outputs(), strict=True):
        assert predicted.double().sum().item() == pytest.approx(total, abs=2e-3)
        assert predicted.double().abs().sum().item() == pytest.approx(size, abs=2e-3)
