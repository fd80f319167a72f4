"""Several one-thread processes that train one model: on a CPU they beat one process of several
threads.

Each process draws its own batches; gradients are averaged in one flat all-reduce a step, so all
hold the same weights at all times.
"""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, distributed
from torch.multiprocessing.spawn import spawn


@dataclass(frozen=True, slots=True)
class Ranks:
    """Which of how many processes this is."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def average(self, gradients: Iterable[Tensor]) -> None:
        """Each gradient replaced by its mean over the processes."""
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
        """True if any process wishes it."""
        if self.count == 1:
            return wish
        wishes = torch.tensor(float(wish))
        distributed.all_reduce(wishes)
        return wishes.item() > 0


def _enter(rank: int, count: int, meeting: str, work: Callable[[Ranks], None]) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=count)
    try:
        work(Ranks(rank, count))
    finally:
        distributed.destroy_process_group()


def run(work: Callable[[Ranks], None], processes: int) -> None:
    """`work` done by several processes together; a failure of one ends all and is raised here."""
    if processes == 1:
        work(Ranks())
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = (Path(folder) / "meeting").as_uri()
        spawn(_enter, (processes, meeting, work), nprocs=processes)
