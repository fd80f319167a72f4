"""Parameters and memory of each process of a training run, planned on the meta device.

Weights, gradients and optimizer are counted exactly, as FSDP2 shards them. Activations are counted
from the tensors that autograd saves for a block of the real shape.

Axes: b rows, n tokens, d width, h heads, k head width, l text tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..models.dit import DIT_HEAD_WIDTH, DiT, DiTBlock, DiTConfig
from .parallel import largest_shard

MUON_STATE, ADAMW_STATE = 1, 2  # tensors of the size of a weight
FLOAT32_BYTES, BFLOAT16_BYTES = 4, 2  # bytes
GATHERED_BLOCKS = 2  # unsharded blocks at a time: the current one and the next


@dataclass(frozen=True, slots=True)
class RankMemory:
    """The bytes of the fullest of `ranks` processes; its `parameters` and those of all."""

    ranks: int
    parameters: int
    own_parameters: int
    weights: int
    gradients: int
    optimizer: int
    averages: int
    gathered: int
    activations: int

    @property
    def total(self) -> int:
        return (
            self.weights + self.gradients + self.optimizer + self.averages + self.gathered
            + self.activations
        )  # fmt: skip


class _Attended(torch.autograd.Function):
    """Attention that saves the tensors of a flash kernel: queries, keys, values and output."""

    @staticmethod
    def forward(ctx: "torch.autograd.function.FunctionCtx", *qkv: Tensor) -> Tensor:
        out = torch.empty_like(qkv[0])
        ctx.save_for_backward(*qkv, out)
        return out


def flash_sized(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """A tensor of the size of the attention's output, on the meta device."""
    return cast(Tensor, _Attended.apply(q, k, v))


def memory_of(
    config: DiTConfig, ranks: int, *, averages: int = 1, tokens: int = 0, checkpointing: bool = True
) -> RankMemory:
    """The memory of the fullest process of a transformer's training over `ranks` by FSDP2.

    `tokens` counts those of a process's part of a step; 0 omits activations. ConfigError for
    numbers below 1.
    """
    if ranks < 1 or averages < 0 or tokens < 0:
        raise ConfigError(f"ranks {ranks}, averages {averages}, tokens {tokens}: too few")
    with torch.device("meta"):
        model = DiT(config)
    shapes = {name: weight.shape for name, weight in model.named_parameters()}
    whole = sum(shape.numel() for shape in shapes.values())
    own = sum(largest_shard(shape, ranks) for shape in shapes.values())
    matrices = sum(
        largest_shard(shape, ranks)
        for name, shape in shapes.items()
        if len(shape) == 2 and "blocks." in name and ".modulation." not in name
    )
    state = MUON_STATE * matrices + ADAMW_STATE * (own - matrices)
    block = sum(weight.numel() for weight in model.blocks[0].parameters())
    return RankMemory(
        ranks=ranks,
        parameters=whole,
        own_parameters=own,
        weights=FLOAT32_BYTES * own,
        gradients=FLOAT32_BYTES * own,
        optimizer=FLOAT32_BYTES * state,
        averages=FLOAT32_BYTES * averages * own,
        gathered=0 if ranks == 1 else FLOAT32_BYTES * GATHERED_BLOCKS * block,
        activations=activation_bytes(config, tokens, checkpointing) if tokens else 0,
    )


def activation_bytes(config: DiTConfig, tokens: int, checkpointing: bool) -> int:
    """The bytes that autograd saves for `tokens` in all blocks, in bfloat16.

    With checkpointing: the input of every block, and all of one block.
    """
    with torch.device("meta"):
        block = DiTBlock(config, nn).to(torch.bfloat16)
        x = torch.empty(1, tokens, config.width, dtype=torch.bfloat16, requires_grad=True)
        level = torch.empty(1, 1, config.width, dtype=torch.bfloat16)
        text = torch.empty(1, 128, config.width, dtype=torch.bfloat16)
        turns = torch.empty(1, 1, tokens, DIT_HEAD_WIDTH // 2, dtype=torch.bfloat16)
    saved: dict[int, torch.UntypedStorage] = {}  # views share a storage

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        block(x, level, text, None, turns, turns, flash_sized, flash_sized, None)
    for weight in block.parameters():
        saved.pop(weight.untyped_storage()._cdata, None)
    one = sum(storage.nbytes() for storage in saved.values())
    inputs = config.depth * tokens * config.width * BFLOAT16_BYTES
    return inputs + one if checkpointing else config.depth * one


def memory_lines(memories: Sequence[RankMemory]) -> list[str]:
    """A table: a line for each number of processes."""
    names = ("weights", "gradients", "optimizer", "averages", "gathered", "activations", "total")
    lines = [f"{'ranks':>5} {'parameters a rank':>18} " + " ".join(f"{n:>11}" for n in names)]
    for memory in memories:
        sizes = " ".join(f"{getattr(memory, name) / 2**30:>8.2f} GB" for name in names)
        lines.append(f"{memory.ranks:>5} {memory.own_parameters / 1e6:>16.1f} M {sizes}")
    return lines
