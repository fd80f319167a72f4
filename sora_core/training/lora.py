"""LoRA in training: low-rank additions to linear layers and convolutions (Hu et al. 2021)."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from ..checkpoints.lora_file import LORA_LAYERS
from ..errors import ConfigError
from ..models.dit import DiT


class LoraLinear(nn.Module):
    """A frozen linear layer plus `alpha / rank` times a low-rank product, which starts at 0."""

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.weight, self.bias, self.scale = layer.weight, layer.bias, alpha / rank
        self.lora_A = nn.Linear(layer.in_features, rank, bias=False)
        self.lora_B = nn.Linear(rank, layer.out_features, bias=False)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias) + self.scale * self.lora_B(self.lora_A(x))


class LoraConv(nn.Module):
    """A frozen convolution of stride 1 plus a low-rank one, as in peft: `lora_B` is 1 x 1."""

    def __init__(self, layer: nn.Conv2d, rank: int, alpha: float) -> None:
        super().__init__()
        self.weight, self.bias, self.scale = layer.weight, layer.bias, alpha / rank
        self.padding = layer.padding
        rows, columns = layer.weight.shape[2:]
        self.lora_A = nn.Conv2d(layer.in_channels, rank, (rows, columns), bias=False)
        self.lora_A.padding = layer.padding
        self.lora_B = nn.Conv2d(rank, layer.out_channels, 1, bias=False)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: Tensor) -> Tensor:
        plain = conv2d(x, self.weight, self.bias, padding=self.padding)
        return plain + self.scale * self.lora_B(self.lora_A(x))


def add_lora_to(
    model: nn.Module,
    rank: int,
    alpha: float,
    seed: int = 0,
    chosen: Callable[[str], bool] = lambda name: True,
) -> None:
    """Freezes `model` and adds a LoRA to each `chosen` layer that is wider than `rank`, in place.

    Layers are linear ones and convolutions. ConfigError where none is wide enough.
    """
    model.requires_grad_(False)
    layers = [
        (name, layer)
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d) and chosen(name)
    ]
    wide = [(name, layer) for name, layer in layers if min(layer.weight.shape[:2]) > rank]
    if not wide:
        most = max(min(layer.weight.shape[:2]) for _, layer in layers) - 1
        raise ConfigError(f"lora_rank {rank}: choose at most {most}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, layer in wide:
            kind = LoraLinear if isinstance(layer, nn.Linear) else LoraConv
            model.set_submodule(name, kind(layer, rank, alpha))  # pyright: ignore[reportArgumentType]


@torch.no_grad()
def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """The state of `model` as it would be without LoRA layers, each added to its weight."""
    state = {name: tensor for name, tensor in model.state_dict().items() if ".lora_" not in name}
    for name, layer in model.named_modules():
        if isinstance(layer, LoraLinear | LoraConv):
            thin, wide = layer.lora_A.weight.flatten(1), layer.lora_B.weight.flatten(1)
            added = layer.scale * (wide @ thin).view_as(layer.weight)
            state[f"{name}.weight"] = layer.weight + added
    return state


def add_lora(dit: DiT, rank: int, alpha: float, seed: int = 0) -> DiT:
    """`dit` with a LoRA in every block, in place; only the LoRA is trainable.

    Outputs do not change until it is trained. ConfigError for a rank above the width.
    """
    if rank > dit.config.width:
        raise ConfigError(f"lora_rank {rank}: choose at most the width {dit.config.width}")
    dit.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for block in dit.blocks:
            for name in LORA_LAYERS:
                layer = block.get_submodule(name)
                if not isinstance(layer, nn.Linear):
                    raise ConfigError(f"{name} has a LoRA already: begin with a plain model")
                block.set_submodule(name, LoraLinear(layer, rank, alpha))
    return dit
