"""Files of a LoRA: low-rank additions to the linear layers of the transformer (Hu et al. 2021).

Names in memory and on disk are peft's: `NAME.lora_A.weight` [rank, in], `NAME.lora_B.weight`
[out, rank]. With the prefix `diffusion_model.` and `NAME.alpha`, ComfyUI's LoRA loaders accept
them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import ConfigError, WeightsError
from ..models.dit import DiT
from .checkpoint import checked_settings
from .safetensors_io import read_header, read_tensors, write_tensors

LORA_LAYERS = (
    "modulation", "qkv", "out", "cross_attn.query", "cross_attn.key_value", "cross_attn.out",
    "mlp.0", "mlp.2",
)  # fmt: skip
LORA_PARTS = THIN, WIDE, ALPHA = ".lora_A.weight", ".lora_B.weight", ".alpha"
HOST_PREFIX, HOST_TEXT_PREFIX = "diffusion_model.", "text_encoders."
FEW_STEPS_KEY = "sora_few_steps"


@dataclass(frozen=True, kw_only=True, slots=True)
class FewSteps:
    """The sampling settings that a LoRA was trained for: `steps` of Euler at a guidance scale.

    At `guidance` 1 the model is called once a step.
    """

    steps: int
    guidance: float = 1.0


def lora_tensors(
    weights: Mapping[str, Tensor], alpha: float, host_prefix: str = HOST_PREFIX
) -> dict[str, Tensor]:
    """The LoRA among the model's `weights` with the keys of ComfyUI, in float16."""
    tensors: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if ".lora_" in name:
            tensors[host_prefix + name] = weight.detach().half().cpu().contiguous()
            tensors[f"{host_prefix}{name.split('.lora_')[0]}.alpha"] = torch.tensor(alpha).half()
    return tensors


def write_lora(
    path: Path,
    weights: Mapping[str, Tensor],
    rank: int,
    alpha: float,
    few_steps: FewSteps | None = None,
    host_prefix: str = HOST_PREFIX,
) -> None:
    """Writes the LoRA among `weights` to `path`, atomically, for the model with `host_prefix`.

    The metadata has rank and alpha, also under the names of peft's configuration, and the sampling
    settings that the LoRA was trained for.
    """
    layers = dict.fromkeys(name.split(".lora_")[0] for name in weights if ".lora_" in name)
    targets = LORA_LAYERS if host_prefix == HOST_PREFIX else layers
    config = {"r": rank, "lora_alpha": alpha, "target_modules": list(targets)}
    metadata = {"format": "sora lora 1", "lora_adapter_metadata": json.dumps(config)}
    if few_steps is not None:
        metadata[FEW_STEPS_KEY] = json.dumps(asdict(few_steps))
    write_tensors(path, lora_tensors(weights, alpha, host_prefix), metadata)


def read_few_steps(path: Path) -> FewSteps | None:
    """The sampling settings that the LoRA at `path` was trained for, if it names any.

    WeightsError for a file that is none, or whose settings are damaged.
    """
    text = read_header(path).metadata.get(FEW_STEPS_KEY)
    if text is None:
        return None
    try:
        return checked_settings(FewSteps, text)
    except ConfigError as problem:
        raise _lora_refusal(path, f"has damaged {FEW_STEPS_KEY} ({problem!s:.90})") from problem


@torch.no_grad()
def merge_lora(dit: DiT, path: Path, strength: float = 1.0) -> DiT:
    """`dit` with the LoRA of the file at `path` added to its weights, in place.

    WeightsError for a file of another model, with anything beside the LoRA, such as one of a text
    encoder, or whose values leave no finite weights.
    """
    for name in read_header(path).tensors:
        if not (name.startswith(HOST_PREFIX) and name.endswith(LORA_PARTS)):
            raise _lora_refusal(
                path, f"has {name[:60]!a:.62}, which is no LoRA of this transformer"
            )
    tensors = read_tensors(path, prefix=HOST_PREFIX)
    if not tensors:
        raise _lora_refusal(path, "has no LoRA of this transformer")
    layers = {
        name.removesuffix(part) for name in tensors for part in LORA_PARTS if name.endswith(part)
    }
    for name in sorted(layers):
        _add_layer(dit, path, name, tensors, strength)
    return dit


def _add_layer(
    dit: DiT, path: Path, name: str, tensors: Mapping[str, Tensor], strength: float
) -> None:
    """Adds the LoRA of the layer `name` to its weight."""
    try:
        weight = dit.get_parameter(f"{name}.weight")
        thin, wide = (tensors[name + part].float() for part in (THIN, WIDE))
        rank = len(thin)
        alpha = float(tensors.get(name + ALPHA, torch.tensor(float(rank))))
        fits = rank and thin.shape == (rank, weight.shape[1])
        if not (fits and wide.shape == (weight.shape[0], rank)):
            raise ValueError(f"{tuple(thin.shape)} and {tuple(wide.shape)}")
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as problem:
        layer = f"a LoRA for {name[:60]!a:.62}"
        raise _lora_refusal(path, f"has {layer}, which does not fit this model") from problem
    weight.add_((wide @ thin) * (strength * alpha / rank))
    if not bool(torch.isfinite(weight).all()):
        raise _lora_refusal(path, f"makes {name[:60]!a:.62} infinite: its alpha is {alpha:g}")


def _lora_refusal(path: Path, problem: str) -> WeightsError:
    return WeightsError(f"{path.name[:60]!a:.62} {problem}")
