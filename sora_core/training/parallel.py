"""Training in many processes by torch's own engine: DDP, or FSDP2 with sharded weights.

`torchrun` starts the processes (`joined`), or on one machine `distributed.run`. NCCL connects CUDA
devices, gloo all others; the tests run on gloo.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn  # noqa: TID251
from torch.distributed.device_mesh import init_device_mesh  # noqa: TID251
from torch.nn.parallel import DistributedDataParallel

from ..errors import ConfigError, TrainingError
from .distributed import Ranks

DDP, FSDP = "ddp", "fsdp"
PARALLEL = (DDP, FSDP)


@dataclass(frozen=True, slots=True)
class TorchRanks(Ranks):
    """A process of a group whose gradients torch averages during backward.

    `module` is to be called in place of the model.
    """

    module: nn.Module | None = None
    kind: str = DDP

    @property
    def together(self) -> bool:
        return True

    @property
    def sharded(self) -> bool:
        return self.kind == FSDP

    def reducing(self, model: nn.Module, last: bool) -> AbstractContextManager[object]:
        if isinstance(self.module, DistributedDataParallel):
            return nullcontext() if last else self.module.no_sync()
        if self.sharded and self.module is not None:
            self.module.set_requires_gradient_sync(last)  # pyright: ignore[reportCallIssue]
        return nullcontext()

    def whole(self, value: Tensor) -> Tensor:
        collect: Callable[[], Tensor] | None = getattr(value, "full_tensor", None)
        return value if collect is None else collect()

    def mean(self, value: Tensor) -> Tensor:
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total / self.count

    def average(self, gradients: Iterable[Tensor]) -> None:
        """Does nothing: DDP and FSDP have averaged the gradients."""


def shard(
    model: nn.Module, blocks: Iterable[nn.Module], device: torch.device, *methods: str
) -> None:
    """Shards the weights of `model` over the processes, block by block (`fully_shard`), in place.

    They are gathered during calls of the model and of its `methods`. TrainingError where torch
    lacks FSDP2 (before 2.6).
    """
    try:
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method  # noqa: TID251
    except ImportError as missing:
        raise TrainingError(
            f"torch {torch.__version__} has no fully_shard: install torch 2.6 or newer, or train "
            f"with --parallel {DDP}"
        ) from missing
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    for block in blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for method in methods:
        register_fsdp_forward_method(model, method)


def parallelised(model: nn.Module, ranks: Ranks, kind: str, device: torch.device) -> TorchRanks:
    """The ranks with the module to call in place of `model`; for FSDP, call `shard` before."""
    if kind not in PARALLEL:
        raise ConfigError(f"parallel {kind[:20]!a:.22}: choose {' or '.join(PARALLEL)}")
    if kind == FSDP:
        return TorchRanks(ranks.rank, ranks.count, model, FSDP)
    numbers = [device.index] if device.type == "cuda" else None
    wrapped = DistributedDataParallel(model, device_ids=numbers)
    return TorchRanks(ranks.rank, ranks.count, wrapped, DDP)


def launched() -> bool:
    """Whether `torchrun` started this process."""
    return distributed.is_available() and distributed.is_torchelastic_launched()


@contextmanager
def joined(device: str) -> Iterator[tuple[Ranks, torch.device]]:
    """The rank of a process that `torchrun` started, and its device: `cuda` is one GPU each."""
    from torch.distributed.distributed_c10d import get_node_local_rank  # noqa: TID251

    distributed.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
    try:
        here = torch.device(device)
        if here.type == "cuda":
            here = torch.device("cuda", get_node_local_rank(fallback_rank=0))
            torch.cuda.set_device(here)
        yield Ranks(distributed.get_rank(), distributed.get_world_size()), here
    finally:
        distributed.destroy_process_group()


def largest_shard(shape: torch.Size, ranks: int) -> int:
    """The most elements of a weight on one of `ranks`: FSDP2 splits the first axis."""
    if not shape:
        return 1
    return math.ceil(shape[0] / ranks) * math.prod(shape[1:])


def from_first(ranks: Ranks, work: Callable[[], None]) -> None:
    """Calls `work` in the first process; the others wait for it."""
    if ranks.first:
        work()
    if ranks.count > 1:
        distributed.barrier()
