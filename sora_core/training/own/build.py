"""The model of a run on a user's clips: loaded, with a LoRA if chosen, spread over processes."""

from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from ...checkpoints.checkpoint import load_transformer, read_config
from ...checkpoints.text_file import load_text
from ...models.dit import DiT
from ..averages import Averages
from ..distributed import Ranks
from ..lora import add_lora
from ..parallel import FSDP, TorchRanks, parallelised, shard
from .export import new_transformer
from .objective import FlowObjective, compile_blocks, recompute_blocks
from .settings import OwnSettings
from .text_objective import TextObjective

Objective = TypeVar("Objective", bound=nn.Module)


def transformer_objective(start: Path, settings: OwnSettings) -> FlowObjective:
    """The transformer of the model file `start`, or a new one, with all weights trained or a new
    LoRA."""
    config = read_config(start)
    if settings.fresh is not None:
        torch.manual_seed(settings.seed)
        dit = DiT(new_transformer(config.transformer, settings)).train()
        dit.init_weights()
    else:
        dit = load_transformer(start, config).train()
    if settings.lora_rank is None:
        dit.requires_grad_(True)
    else:
        add_lora(dit, settings.lora_rank, settings.alpha, settings.seed)
    return FlowObjective(dit)


def text_objective(start: Path, settings: OwnSettings) -> TextObjective:
    """The text encoder of the model file `start`, before its frozen transformer."""
    dit = load_transformer(start, read_config(start))
    return TextObjective(dit, *load_text(start), settings)


def spread_over(
    model: Objective, settings: OwnSettings, ranks: Ranks, device: torch.device
) -> tuple[Averages[Objective], nn.Module, Ranks]:
    """The averages of `model`, the module to call in its place, and the ranks to train with.

    `model` is moved to `device` and changed in place: activation checkpointing, then compilation,
    then sharding of its weights and those of the averages.
    """
    model.to(device)
    tracked = settings.snapshots > 0
    averages = Averages(model, settings.averages, share_frozen=True, tracked=tracked)
    blocks = blocks_of(model)
    if settings.checkpointing:
        recompute_blocks(blocks)
    if settings.compiled:
        compile_blocks(blocks)
    if ranks.count == 1:
        return averages, model, ranks
    if settings.parallel == FSDP:
        for each in (model, *averages.models, *averages.tracks.values()):
            shard(each, blocks_of(each), device, FlowObjective.denoise.__name__)
    together: TorchRanks = parallelised(model, ranks, settings.parallel, device)
    return averages, together.module or model, together


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """The transformer's blocks; none of another model."""
    if isinstance(model, FlowObjective):
        return list(model.dit.blocks)
    return []
