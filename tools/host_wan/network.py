"""ComfyUI's own Wan network in a small size: built, initialised, written as its loader expects it.

Axes: b batch, c channels, t latent frames, y rows, x columns, l text tokens, e text width.

The width is a multiple of 128, since the host derives the number of heads from it.
"""

import importlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import pad

from sora_core.errors import WeightsError
from sora_core.files import replacing
from sora_core.models.text_encoder import TextEncoder, encode
from sora_core.models.tokenizer import Tokenizer
from tools.host import bring_host

LATENT_CHANNELS = 16
I2V_CHANNELS = 36  # noisy latent, mask of four frames, latent of the footage: Wan I2V, Fun-InP
TEXT_WIDTH = 384  # of the released text encoder
WAN_TEXT_WIDTH = 4096  # the host builds no other
TEXT_TOKENS = 56  # Wan pads texts with zeros to one length, and attends to the padding
TIMESTEPS = 1000.0  # the host's timestep at sigma 1
METADATA_KEY = "sora_host_wan"


@dataclass(frozen=True, slots=True)
class WanSettings:
    """The size of the network, and whether it has channels for known footage."""

    width: int = 256
    depth: int = 6
    channels: int = LATENT_CHANNELS


def import_host(name: str) -> Any:  # noqa: ANN401 - a module of the pinned ComfyUI
    """A module of the pinned ComfyUI, on the CPU, with PyTorch's attention."""
    folder = str(bring_host())
    if folder not in sys.path:
        sys.path.insert(0, folder)
        importlib.import_module("comfy.options")
        arguments = importlib.import_module("comfy.cli_args").args
        arguments.cpu = arguments.use_pytorch_cross_attention = True
    return importlib.import_module(name)


def build_wan(settings: WanSettings, text_width: int = TEXT_WIDTH) -> nn.Module:
    """The network with initial weights: its output and the gates of its residuals are zero."""
    wan, operations = import_host("comfy.ldm.wan.model"), import_host("comfy.ops")
    network = wan.WanModel(
        model_type="t2v",
        in_dim=settings.channels,
        out_dim=LATENT_CHANNELS,
        dim=settings.width,
        ffn_dim=4 * settings.width,
        num_layers=settings.depth,
        num_heads=settings.width // 128,
        text_dim=text_width,
        device="cpu",
        dtype=torch.float32,
        operations=operations.disable_weight_init,
    )
    for name, weight in network.named_parameters():
        if weight.ndim == 1:
            nn.init.constant_(weight, float("norm" in name and name.endswith("weight")))
        elif name.endswith("modulation") or name == "head.head.weight":
            nn.init.zeros_(weight)
        else:
            nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    nn.init.zeros_(network.time_projection[1].weight)
    return network


def widen_to_footage(state: dict[str, Tensor], channels: int) -> dict[str, Tensor]:
    """Weights of a T2V network for `channels` input channels; the new ones begin at zero."""
    stem = state["patch_embedding.weight"]
    more = stem.new_zeros(len(stem), channels - stem.shape[1], *stem.shape[2:])
    return state | {"patch_embedding.weight": torch.cat([stem, more], dim=1)}


def latent_format() -> Any:  # noqa: ANN401 - a class of the host
    """The scale between a VAE's latent and what the host's Wan network takes."""
    return import_host("comfy.latent_formats").Wan21()


def text_input(states: Float[Tensor, "l e"], width: int = TEXT_WIDTH) -> Float[Tensor, "l2 e2"]:
    """Token states, padded with zeros to TEXT_TOKENS tokens of `width`; longer texts are cut."""
    states = states[:TEXT_TOKENS].float()
    return pad(states, (0, width - states.shape[1], 0, TEXT_TOKENS - len(states)))


def text_conditioning(encoder: TextEncoder, tokenizer: Tokenizer, text: str) -> list[Any]:
    """The host's CONDITIONING of `text` for the written network."""
    encoded = encode(encoder, tokenizer, [text])
    return [[text_input(encoded.states[0][encoded.mask[0]], WAN_TEXT_WIDTH)[None], {}]]


def write_wan(path: Path, network: nn.Module, settings: WanSettings, facts: dict[str, Any]) -> None:
    """Writes the network for the host's Load Diffusion Model; its text input is widened with zeros.

    `facts` name how it was trained; they are stored in the file.
    """
    state = {name: weight.detach().contiguous() for name, weight in network.state_dict().items()}
    text = state["text_embedding.0.weight"]
    state["text_embedding.0.weight"] = pad(text, (0, WAN_TEXT_WIDTH - text.shape[1])).contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        save_file(state, temporary, {METADATA_KEY: json.dumps(facts | asdict(settings))})


def read_wan(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights in the file at `path` with the text input as trained, and its facts."""
    with safe_open(path, "pt") as file:
        facts = json.loads((file.metadata() or {}).get(METADATA_KEY, "null"))
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if facts is None:
        raise WeightsError(f"{path.name} is not from `python -m tools.host_wan train`: train first")
    text = state["text_embedding.0.weight"]
    return state | {"text_embedding.0.weight": text[:, :TEXT_WIDTH].contiguous()}, facts
