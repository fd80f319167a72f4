"""Data-parallel training on a CPU: one-thread processes, faster than one process of many threads.

Each process draws its own batches. Gradients are averaged by one flat all-reduce per step, so all
processes have the same weights at all times.
"""

import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, distributed, nn  # noqa: TID251
from torch.multiprocessing.spawn import ProcessException, spawn  # noqa: TID251

from ..errors import SoraError, TrainingError

PROBLEM = "problem-"  # the name of a file with the message of a process, before its rank


@dataclass(frozen=True, slots=True)
class Ranks:
    """The rank of this process, and the number of processes."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    @property
    def together(self) -> bool:
        """Whether all processes evaluate together, not the first one alone."""
        return False

    @property
    def sharded(self) -> bool:
        """Whether each process holds only a part of the weights."""
        return False

    def part(self, index: int, parts: int) -> "Ranks":
        """The rank for part `index` of this process's share: one of `parts` times as many ranks."""
        return self if parts == 1 else Ranks(self.rank * parts + index, self.count * parts)

    def reducing(self, model: nn.Module, last: bool) -> AbstractContextManager[object]:
        """A context for forward and backward; gradients are averaged only after the `last` part."""
        return nullcontext()

    def whole(self, value: Tensor) -> Tensor:
        """`value`, gathered if it is sharded; all processes must call it."""
        return value

    def mean(self, value: Tensor) -> Tensor:
        """The mean of `value` over the processes, for reports; here the value of this process."""
        return value

    def average(self, gradients: Iterable[Tensor]) -> None:
        """Replaces each gradient by its mean over the processes, in place."""
        if self.count == 1:
            return
        gradients = list(gradients)
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.count
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def agree(self, wish: bool) -> bool:
        """Whether `wish` is True in any process."""
        if self.count == 1:
            return wish
        wishes = torch.tensor(float(wish))
        distributed.all_reduce(wishes)
        return wishes.item() > 0


def _enter(rank: int, count: int, folder: Path, work: Callable[[Ranks], None]) -> None:
    torch.set_num_threads(1)
    rendezvous = (folder / "rendezvous").as_uri()
    distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=count)
    try:
        work(Ranks(rank, count))
    except SoraError as problem:
        (folder / f"{PROBLEM}{rank}").write_text(str(problem), encoding="utf-8")
        raise
    finally:
        distributed.destroy_process_group()


def run(work: Callable[[Ranks], None], processes: int) -> None:
    """Calls `work` in each of `processes`; a failure in one ends all and is raised here.

    TrainingError has the message of the first process that ended by a SoraError.
    """
    if processes == 1:
        work(Ranks())
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            spawn(_enter, (processes, Path(folder), work), nprocs=processes)
        except ProcessException as problem:
            for path in sorted(Path(folder).glob(f"{PROBLEM}*")):
                raise TrainingError(path.read_text(encoding="utf-8")) from problem
            raise
