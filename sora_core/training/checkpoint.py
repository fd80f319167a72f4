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


class CheckpointStore(Protocol):
    """Where a run saves its state; all processes call each method."""

    def exists(self) -> bool: ...

    def load(
        self,
        model: nn.Module,
        averages: Mapping[str, nn.Module],
        optimizers: Sequence[Optimizer],
    ) -> int:
        """Loads the checkpoint into all arguments; returns its step."""
        ...

    def save(
        self,
        step: int,
        model: nn.Module,
        averages: Mapping[str, nn.Module],
        optimizers: Sequence[Optimizer],
        ranks: Ranks,
    ) -> None:
        """Saves the state after `step` completely, or raises and retains the last one."""
        ...


@dataclass(frozen=True, slots=True)
class WholeFile:
    """A store in one file, which the first process writes."""

    path: Path

    def exists(self) -> bool:
        return self.path.exists()

    def load(
        self,
        model: nn.Module,
        averages: Mapping[str, nn.Module],
        optimizers: Sequence[Optimizer],
    ) -> int:
        """`load_training` of the file."""
        return load_training(self.path, model, averages, optimizers)

    def save(
        self,
        step: int,
        model: nn.Module,
        averages: Mapping[str, nn.Module],
        optimizers: Sequence[Optimizer],
        ranks: Ranks,
    ) -> None:
        """`save_training` to the file, in the first process."""
        if ranks.first:
            save_training(self.path, step, model, averages, optimizers)


def _named_tensors(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor.contiguous() for name, tensor in tensors.items()}


def save_training(
    path: Path,
    step: int,
    model: nn.Module,
    averages: Mapping[str, nn.Module],
    optimizers: Sequence[Optimizer],
) -> None:
    """Writes the state of a run to `path` atomically; keys of `averages` are their prefixes."""
    tensors = _named_tensors("model", model.state_dict())
    for name, average in averages.items():
        tensors |= _named_tensors(name, average.state_dict())
    for i, optimizer in enumerate(optimizers):
        for j, state in optimizer.state_dict()["state"].items():
            tensors |= _named_tensors(
                f"optimizer.{i}.{j}", {k: torch.as_tensor(v) for k, v in state.items()}
            )
    with replacing(path) as temporary:
        save_file(tensors, temporary, {"step": json.dumps(step)})


def load_training(
    path: Path,
    model: nn.Module,
    averages: Mapping[str, nn.Module],
    optimizers: Sequence[Optimizer],
) -> int:
    """Loads the checkpoint into model, averages and optimizers; returns its step.

    An average that the file lacks starts from the first one. TrainingError for the checkpoint of
    another model.
    """
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        step = json.loads(file.metadata()["step"])

    def under(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    def weights(prefix: str) -> dict[str, Tensor]:
        return {current_key(name): tensor for name, tensor in under(prefix).items()}

    try:
        model.load_state_dict(weights("model."))
        first = weights("average.")
        for name, average in averages.items():
            average.load_state_dict(weights(f"{name}.") or first)
    except RuntimeError as error:
        raise TrainingError(
            f"{path.name} belongs to another model: start anew or choose another --root"
        ) from error
    for i, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in under(f"optimizer.{i}.").items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    return step
