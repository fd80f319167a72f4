"""ComfyUI's own small VAE of the Wan kind, and what the pack's nodes decode it with."""

import importlib.util
import sys
from collections.abc import Callable, Iterable
from typing import Any

import torch

from sora_core.shapes import Latent, Video
from tools.host import ROOT, bring_host


def wan_vae(width: int) -> tuple[Any, Callable[[Any, Latent], Iterable[Video]]]:
    """The VAE, random and `width` channels narrow, and the decoding of the pack."""
    sys.path.insert(0, str(bring_host()))
    import comfy.options
    from comfy.cli_args import args

    args.cpu = True
    import comfy.sd
    from comfy.ldm.wan.vae import WanVAE

    spec = importlib.util.spec_from_file_location("sora_nodes", ROOT / "__init__.py")
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(name="sora_nodes")
    sys.modules["sora_nodes"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["sora_nodes"])
    decoding = importlib.import_module("sora_nodes.nodes.host.vae.decode")

    network = WanVAE(dim=width, z_dim=16, temperal_downsample=[False, True, True])
    weights = {
        name: torch.randn(weight.shape) * (weight[0].numel() ** -0.5 if weight.ndim > 1 else 1)
        for name, weight in network.state_dict().items()
    }
    return comfy.sd.VAE(sd=weights), decoding.decoded
