"""Small models with random weights of other projects, to compare with ours."""

import torch
from torch import nn

from .wan_dit import EPSILON

WIDTH, HEADS, DEPTH = 384, 6, 8
TEXT_TOKENS, TEXT_WIDTH = 64, 384
AUTOENCODER_WIDTH = 16


def wan_transformer(depth: int = DEPTH) -> nn.Module:
    """The Wan of diffusers with `depth` blocks, and with the same random weights at each call."""
    from diffusers import WanTransformer3DModel

    torch.manual_seed(0)
    return stirred(
        WanTransformer3DModel(
            num_attention_heads=HEADS,
            attention_head_dim=WIDTH // HEADS,
            text_dim=TEXT_WIDTH,
            ffn_dim=4 * WIDTH,
            num_layers=depth,
            eps=EPSILON,
        )
    )


def wan_autoencoder() -> nn.Module:
    from diffusers import AutoencoderKLWan

    torch.manual_seed(0)
    return stirred(AutoencoderKLWan(base_dim=AUTOENCODER_WIDTH))


def stirred(model: nn.Module) -> nn.Module:
    """`model` with every weight perturbed: with equal initial weights, layers could be confused."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return model.eval()
