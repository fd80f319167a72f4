"""ComfyUI's own small VAE of the Wan kind, and what the pack's nodes decode it with."""

import importlib
from collections.abc import Callable, Iterable
from typing import Any

import torch

from sora_core.shapes import Latent, Video
from tools.pack import load_pack


def wan_vae(width: int) -> tuple[Any, Callable[[Any, Latent], Iterable[Video]]]:
    """The VAE, random and `width` channels narrow, and the decoding of the pack."""
    load_pack()
    import comfy.sd
    from comfy.ldm.wan.vae import WanVAE

    decoding = importlib.import_module("sora_nodes.nodes.host.vae.decode")
    network = WanVAE(dim=width, z_dim=16, temperal_downsample=[False, True, True])
    weights = {
        name: torch.randn(weight.shape) * (weight[0].numel() ** -0.5 if weight.ndim > 1 else 1)
        for name, weight in network.state_dict().items()
    }
    return comfy.sd.VAE(sd=weights), decoding.decoded
