"""The state of a training run in one file: weights, their averages and the optimizers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from ..checkpoints.state_keys import current_key
from ..errors import TrainingError
from ..files import replacing
from .distributed import Ranks


@dataclass(frozen=True, slots=True)
class TrainingState:
    """What a checkpoint holds; loading fills it in place. Keys of `averages` are their prefixes."""

    model: nn.Module
    averages: Mapping[str, nn.Module]
    optimizers: Sequence[Optimizer]


class CheckpointStore(Protocol):
    """Where a run saves its state; all processes call each method."""

    def exists(self) -> bool: ...

    def load(self, state: TrainingState) -> int:
        """Loads the checkpoint into `state`; returns its step."""
        ...

    def save(self, step: int, state: TrainingState) -> None:
        """Saves the state after `step` completely, or raises and retains the last one."""
        ...


@dataclass(frozen=True, slots=True)
class WholeFile:
    """A store in one file, which the first of `ranks` writes."""

    path: Path
    ranks: Ranks

    def exists(self) -> bool:
        return self.path.exists()

    def load(self, state: TrainingState) -> int:
        """Loads the file into `state`; returns its step.

        An average that the file lacks starts from the first one. TrainingError for the checkpoint
        of another model.
        """
        with safe_open(self.path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            step = json.loads(file.metadata()["step"])

        def under(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        def weights(prefix: str) -> dict[str, Tensor]:
            return {current_key(name): tensor for name, tensor in under(prefix).items()}

        try:
            state.model.load_state_dict(weights("model."))
            first = weights("average.")
            for name, average in state.averages.items():
                average.load_state_dict(weights(f"{name}.") or first)
        except RuntimeError as error:
            raise TrainingError(
                f"{self.path.name} belongs to another model: remove it, or choose another --root"
            ) from error
        for i, optimizer in enumerate(state.optimizers):
            moments: dict[int, dict[str, Tensor]] = {}
            for name, tensor in under(f"optimizer.{i}.").items():
                index, key = name.split(".", 1)
                moments.setdefault(int(index), {})[key] = tensor
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": moments, "param_groups": groups})
        return step

    def save(self, step: int, state: TrainingState) -> None:
        """Writes the file atomically, in the first process."""
        if not self.ranks.first:
            return
        tensors = _named_tensors("model", state.model.state_dict())
        for name, average in state.averages.items():
            tensors |= _named_tensors(name, average.state_dict())
        for i, optimizer in enumerate(state.optimizers):
            for j, moments in optimizer.state_dict()["state"].items():
                tensors |= _named_tensors(
                    f"optimizer.{i}.{j}", {k: torch.as_tensor(v) for k, v in moments.items()}
                )
        with replacing(self.path) as temporary:
            save_file(tensors, temporary, {"step": json.dumps(step)})


def _named_tensors(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor.contiguous() for name, tensor in tensors.items()}
