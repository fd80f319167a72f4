"""LoRA in training: low-rank additions to the linear layers of the transformer (Hu et al. 2021)."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

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
