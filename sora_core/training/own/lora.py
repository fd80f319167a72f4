"""LoRA: low-rank additions to the linear layers of the transformer (Hu et al. 2021).

Names in memory and on disk are peft's: `NAME.lora_A.weight` [rank, in], `NAME.lora_B.weight`
[out, rank]. With the prefix `diffusion_model.` and `NAME.alpha`, ComfyUI's LoRA loaders accept
them.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ...checkpoints.safetensors_io import read_tensors, write_tensors
from ...errors import ConfigError, WeightsError
from ...models.dit import DiT

LORA_LAYERS = (
    "modulation", "qkv", "out", "cross_attn.query", "cross_attn.key_value", "cross_attn.out",
    "mlp.0", "mlp.2",
)  # fmt: skip
HOST_PREFIX = "diffusion_model."


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


def lora_tensors(weights: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """The LoRA among the transformer's `weights` with the keys of ComfyUI, in float16."""
    tensors: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if ".lora_" in name:
            tensors[HOST_PREFIX + name] = weight.detach().half().cpu().contiguous()
            tensors[f"{HOST_PREFIX}{name.split('.lora_')[0]}.alpha"] = torch.tensor(alpha).half()
    return tensors


def write_lora(path: Path, weights: Mapping[str, Tensor], rank: int, alpha: float) -> None:
    """Writes the LoRA among the transformer's `weights` to `path`, atomically.

    The metadata has rank and alpha, also under the names of peft's configuration.
    """
    config = {"r": rank, "lora_alpha": alpha, "target_modules": list(LORA_LAYERS)}
    metadata = {"format": "sora lora 1", "lora_adapter_metadata": json.dumps(config)}
    write_tensors(path, lora_tensors(weights, alpha), metadata)


@torch.no_grad()
def merge_lora(dit: DiT, path: Path, strength: float = 1.0) -> DiT:
    """`dit` with the LoRA of the file at `path` added to its weights, in place.

    WeightsError for a file of another model.
    """
    tensors = read_tensors(path, prefix=HOST_PREFIX)
    layers = [name.removesuffix(".lora_A.weight") for name in tensors if ".lora_A." in name]
    if not layers:
        raise WeightsError(f"{path.name[:60]!a:.62} has no LoRA of this transformer")
    for name in layers:
        try:
            weight = dit.get_parameter(f"{name}.weight")
            thin, wide = (tensors[f"{name}.lora_{part}.weight"].float() for part in "AB")
            alpha = float(tensors.get(f"{name}.alpha", torch.tensor(float(len(thin)))))
            weight.add_((wide @ thin) * (strength * alpha / len(thin)))
        except (AttributeError, KeyError, RuntimeError) as problem:
            raise WeightsError(
                f"{path.name[:60]!a:.62} has a LoRA for {name[:60]!a:.62}, which does not fit "
                "this model"
            ) from problem
    return dit
