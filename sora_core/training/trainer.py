"""The training loop for every model; a resumed run gives the same numbers as an uninterrupted one.

A batch depends only on the seed, the step and the process.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer
from torch.utils.tensorboard import SummaryWriter

from ..errors import ConfigError
from . import checkpoint
from .averages import Averages
from .distributed import Ranks


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """Settings of a training run; ConfigError for values out of range."""

    steps: int
    batch: int  # samples a step, over all processes
    matrix_rate: float = 3e-3  # Muon, for hidden matrices
    rate: float = 1e-3  # AdamW, for everything else
    weight_decay: float = 0.01
    warmup: int = 100
    decay: float = 0.3  # share of the steps, at the end, over which the rates fall to zero
    average: float = 0.999  # decay of the moving average of the weights
    longer: tuple[float, ...] = ()  # decays of further averages in the checkpoint
    clip: float = 1.0
    seed: int = 0
    until: int | None = None  # step at which to pause; rates still depend on all `steps`
    save_every: int = 250
    show_every: int = 1000
    half: bool = True  # autocast to bfloat16; weights stay float32

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise ConfigError(f"steps {self.steps}, batch {self.batch}: both must be at least 1")
        if not 0 <= self.decay <= 1 or not 0 <= self.average < 1:
            raise ConfigError(f"decay {self.decay}, average {self.average}: must be within 0 and 1")
        if not all(0 <= length < 1 for length in self.longer):
            raise ConfigError(f"longer averages {self.longer}: each must be at least 0 and below 1")

    def rate_at(self, step: int) -> float:
        """The factor in [0, 1] of the learning rates at `step`: warm-up, constant, linear decay."""
        falling = self.decay * self.steps
        remaining = (self.steps - step) / falling if falling else 1.0
        return min(1.0, (step + 1) / self.warmup if self.warmup else 1.0, remaining)


TrainedModel = TypeVar("TrainedModel", bound=nn.Module)


class Task(Protocol[TrainedModel]):
    """A model to train: its loss at a step, its hidden matrices for Muon, and its evaluation."""

    model: TrainedModel

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]: ...

    def matrices(self) -> set[str]: ...

    def show(self, average: TrainedModel, step: int, folder: Path) -> Mapping[str, float]: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a training run: steps, smoothed loss, speed and remaining time."""

    step: int
    steps: int
    loss: float
    samples_a_second: float
    seconds_left: float


class Matrices:
    """Hidden weights as matrices for Muon: each filter of a convolution is a row."""

    def __init__(self, weights: Sequence[nn.Parameter]) -> None:
        self.weights = weights
        self.views = [nn.Parameter(weight.detach().view(len(weight), -1)) for weight in weights]

    def share_gradients(self) -> None:
        """Gives each matrix the gradient of its weight."""
        for weight, view in zip(self.weights, self.views, strict=True):
            view.grad = None if weight.grad is None else weight.grad.view_as(view)


def optimizers_of(
    task: Task[TrainedModel], config: TrainingConfig
) -> tuple[Matrices, list[Optimizer]]:
    """Muon (Jordan et al. 2024) for hidden matrices, AdamW for the rest; updates of equal RMS."""
    hidden = task.matrices()
    matrices = Matrices([p for name, p in task.model.named_parameters() if name in hidden])
    others = [p for name, p in task.model.named_parameters() if name not in hidden]
    rest = AdamW(others, config.rate, betas=(0.9, 0.98), weight_decay=config.weight_decay)
    if not matrices.views:
        return matrices, [rest]
    muon = Muon(
        matrices.views,
        config.matrix_rate,
        weight_decay=config.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    return matrices, [muon, rest]


def train(
    task: Task[TrainedModel],
    config: TrainingConfig,
    folder: Path,
    ranks: Ranks,
    *,
    resume: bool,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> TrainedModel:
    """The first average of the model after all steps, or after `config.until`.

    `folder` holds the checkpoint, TensorBoard scalars and sheets. `resume` continues from the
    checkpoint in it, if there is one. TrainingError for the checkpoint of another model.
    """
    model, averages = task.model, Averages(task.model, (config.average, *config.longer))
    matrices, optimizers = optimizers_of(task, config)
    rates = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    saved = folder / "checkpoint.safetensors"
    start = (
        checkpoint.load_training(saved, model, averages.named, optimizers)
        if resume and saved.exists()
        else 0
    )
    scalars = SummaryWriter(str(folder / "scalars"), purge_step=start) if ranks.first else None
    parameters = [p for p in model.parameters() if p.requires_grad]

    began, since, running = time.monotonic(), start, 0.0
    end = min(config.steps, config.until or config.steps)
    for step in range(start, end):
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate * config.rate_at(step)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.half):
            loss, parts = task.loss(step, ranks)
        loss.backward()
        ranks.average(p.grad for p in parameters if p.grad is not None)
        norm = nn.utils.clip_grad_norm_(parameters, config.clip)
        matrices.share_gradients()
        for optimizer in optimizers:
            optimizer.step()
        model.zero_grad()
        averages.update(model, step)

        done = step + 1
        running = loss.item() if done == start + 1 else 0.98 * running + 0.02 * loss.item()
        if scalars and (done % 20 == 0 or done == end):
            seconds = (time.monotonic() - began) / (done - since)
            on_progress(
                Progress(
                    done,
                    config.steps,
                    running,
                    config.batch / seconds,
                    seconds * (config.steps - done),
                )
            )
            began, since = time.monotonic(), done
            for name, value in {**parts, "loss": loss, "gradient_norm": norm}.items():
                scalars.add_scalar(name, float(value.detach()), done)
        last = done == end
        if ranks.first and (done % config.save_every == 0 or last):
            checkpoint.save_training(saved, done, model, averages.named, optimizers)
        if scalars and (done % config.show_every == 0 or last):
            for name, value in task.show(averages.first, done, folder).items():
                scalars.add_scalar(name, value, done)
    return averages.first
