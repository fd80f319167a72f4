"""Every latent frame reads its own prompts."""

import pytest
import torch

from sora_core.errors import ConfigError
from sora_core.models.prompt_schedule import scheduled_text
from tests.support.tiny import tiny_transformer

DIT = tiny_transformer().requires_grad_(False)
GENERATOR = torch.Generator().manual_seed(5)
LATENT = torch.randn(1, 16, 4, 4, 6, generator=GENERATOR)
FIRST, SECOND = (torch.randn(length, 384, generator=GENERATOR) for length in (5, 8))
HALF = torch.full((1, 1, 1, 1, 1), 0.5)
EARLY_LATE = torch.tensor([[1.0, 1.0, 0.3, 0.0], [0.0, 0.0, 0.7, 1.0]])


def notes(texts, weights, latent=LATENT):
    text, bias = scheduled_text(texts, weights)
    return DIT(latent, HALF, text[None], None if bias is None else bias[None])


def test_equal_texts_over_spans_are_one_text():
    plain = DIT(LATENT, HALF, FIRST[None])
    torch.testing.assert_close(notes([FIRST, FIRST], EARLY_LATE), plain, atol=1e-5, rtol=0)


def test_a_text_that_counts_nowhere_is_left_out():
    weights = torch.stack([torch.zeros(4), torch.ones(4)])
    text, bias = scheduled_text([FIRST, SECOND], weights)
    assert text is SECOND
    assert bias is None


def test_each_frame_reads_its_own_text():
    """Where frames do not look at each other, a frame is as if its text were all there is."""
    spatial = torch.block_diag(*(torch.ones(6, 6) for _ in range(4))).bool()

    def attend(q, k, v, mask):
        among = spatial if q.shape[2] == k.shape[2] else mask
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, among)

    text, bias = scheduled_text([FIRST, SECOND], EARLY_LATE)
    both = DIT(LATENT, HALF, text[None], bias[None], attend=attend)
    first, second = (DIT(LATENT, HALF, alone[None], attend=attend) for alone in (FIRST, SECOND))
    torch.testing.assert_close(both[:, :, :2], first[:, :, :2], atol=1e-5, rtol=0)
    torch.testing.assert_close(both[:, :, 3], second[:, :, 3], atol=1e-5, rtol=0)
    assert not torch.isclose(both[:, :, 2], first[:, :, 2], atol=1e-4).all()
    assert not torch.isclose(both[:, :, 2], second[:, :, 2], atol=1e-4).all()


def test_weights_for_other_texts_are_refused():
    with pytest.raises(ConfigError, match="1 texts"):
        scheduled_text([FIRST], EARLY_LATE)
