"""The state of a run as a folder, written by all processes and read by any number of processes.

`torch.distributed.checkpoint` writes the shards as safetensors, one file per process. A folder
`checkpoint-STEP` appears once it is complete; older ones are then removed. It contains trained
weights only: the others come from the run's initial model. Its packages are imported on first use,
since they load libc.
"""

import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.optim import Optimizer

from ..errors import TrainingError
from .averages import TRACK
from .checkpoint import TrainingState
from .distributed import Ranks
from .parallel import from_first

if TYPE_CHECKING:
    from torch.distributed.checkpoint.storage import StorageReader, StorageWriter  # noqa: TID251

PREFIX, UNFINISHED = "checkpoint-", ".part"


def trained_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The trainable weights of `model` by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


@dataclass(frozen=True, slots=True)
class ShardedFolder:
    """A store in `folder`; `ranks` are those that save and load."""

    folder: Path
    ranks: Ranks

    def newest(self) -> Path | None:
        """The complete checkpoint of the latest step."""
        found = [
            path
            for path in self.folder.glob(f"{PREFIX}*")
            if path.is_dir() and path.name.removeprefix(PREFIX).isdigit()
        ]
        return max(found, key=step_of, default=None)

    def exists(self) -> bool:
        return self.newest() is not None

    def save(self, step: int, state: TrainingState) -> None:
        """Writes the state after `step`; TrainingError where writing fails."""
        from torch.distributed.checkpoint.api import CheckpointException  # noqa: TID251
        from torch.distributed.checkpoint.state_dict_saver import save  # noqa: TID251

        whole = self.folder / f"{PREFIX}{step:08d}"
        unfinished = whole.with_name(whole.name + UNFINISHED)
        tensors = state_tensors(state)
        from_first(self.ranks, lambda: shutil.rmtree(unfinished, ignore_errors=True))
        try:
            with quiet():
                save(
                    tensors,
                    storage_writer=storage(unfinished)[0],
                    no_dist=self.ranks.count == 1,
                )
        except (CheckpointException, OSError, SafetensorError) as problem:
            raise TrainingError(
                f"the checkpoint of step {step} cannot be written to "
                f"{self.folder.name[:60]!a:.62}: free some space; the run "
                f"continues from the one before ({problem!s:.80})"
            ) from problem
        from_first(self.ranks, lambda: self._finish(unfinished, whole))

    def _finish(self, unfinished: Path, whole: Path) -> None:
        if whole.exists():
            shutil.rmtree(whole)
        unfinished.rename(whole)
        for path in self.folder.glob(f"{PREFIX}*"):
            if path.is_dir() and path != whole:
                shutil.rmtree(path, ignore_errors=True)

    def load(self, state: TrainingState) -> int:
        """Loads the newest checkpoint into `state`; returns its step.

        TrainingError for a damaged checkpoint, and for that of another model.
        """
        from torch.distributed.checkpoint.api import CheckpointException  # noqa: TID251
        from torch.distributed.checkpoint.state_dict_loader import load  # noqa: TID251

        path = self.newest()
        if path is None:
            return 0
        initialise(state.optimizers)
        tensors = state_tensors(state)
        _, reader = storage(path)
        try:
            saved = reader.read_metadata().state_dict_metadata
            lacking = [k for k in tensors if k not in saved and not k.startswith("optimizer.")]
            if lacking and all(name.startswith(TRACK) for name in lacking):
                raise TrainingError(
                    f"{path.name} lacks the averages that --snapshots needs: add --snapshots 0"
                )
            if lacking:
                raise TrainingError(f"{path.name} lacks {lacking[0][:80]}: it is of another model")
            for name in [name for name in tensors if name not in saved]:
                del tensors[name]
            with quiet():
                load(tensors, storage_reader=reader, no_dist=self.ranks.count == 1)
        except (CheckpointException, OSError, SafetensorError, AssertionError) as problem:
            raise TrainingError(
                f"{path.name} is damaged or belongs to another model: remove it to start again "
                f"({problem!s:.80})"
            ) from problem
        for i, j, optimizer, weight in list(optimizer_states(state.optimizers)):
            for key, value in optimizer.state[weight].items():
                known = tensors.get(f"optimizer.{i}.{j}.{key}")
                if known is not None and not value.ndim:
                    value.copy_(known[0])
            if not any(name.startswith(f"optimizer.{i}.{j}.") for name in tensors):
                del optimizer.state[weight]  # it never had a gradient
        return step_of(path)


def storage(folder: Path) -> "tuple[StorageWriter, StorageReader]":
    """Writer and reader of sharded safetensors; TrainingError where this torch has none."""
    try:
        from torch.distributed.checkpoint.hf_storage import (  # noqa: TID251
            HuggingFaceStorageReader,
            HuggingFaceStorageWriter,
        )

        writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    except (ImportError, TypeError) as missing:
        raise TrainingError(
            f"torch {torch.__version__} writes no checkpoints of safetensors in pieces: install "
            "torch 2.8 or newer"
        ) from missing
    return writer, HuggingFaceStorageReader(str(folder))


def step_of(path: Path) -> int:
    """The step in the name of a checkpoint."""
    return int(path.name.removeprefix(PREFIX))


def state_tensors(state: TrainingState) -> dict[str, Tensor]:
    """The trained weights, their averages and the optimizers' state by name; loading fills them.

    Scalars are copies with one axis, since safetensors cannot shard a scalar.
    """
    trained = trained_weights(state.model)
    tensors: dict[str, Tensor] = {f"model.{k}": weight.detach() for k, weight in trained.items()}
    for name, average in state.averages.items():
        means = dict(average.named_parameters())
        tensors |= {f"{name}.{key}": means[key].detach() for key in trained}
    for i, j, optimizer, weight in optimizer_states(state.optimizers):
        for key, value in optimizer.state[weight].items():
            one = value.detach()
            tensors[f"optimizer.{i}.{j}.{key}"] = one if one.ndim else one.reshape(1).clone()
    return tensors


def optimizer_states(
    optimizers: Sequence[Optimizer],
) -> Iterator[tuple[int, int, Optimizer, Tensor]]:
    """Each weight with a state: the indices of optimizer and weight, then both."""
    for i, optimizer in enumerate(optimizers):
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        for j, weight in enumerate(weights):
            if weight in optimizer.state:
                yield i, j, optimizer, weight


def initialise(optimizers: Sequence[Optimizer]) -> None:
    """Creates the state of each optimizer, as after a step that changes no weight."""
    for optimizer in optimizers:
        rates = [group["lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = 0.0
            for weight in group["params"]:
                weight.grad = torch.zeros_like(weight)
        optimizer.step()
        optimizer.zero_grad()
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate


@contextmanager
def quiet() -> Iterator[None]:
    """Suppresses torch's warning that a single process saves alone: this is intended."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield
