"""The training loop for every model; a resumed run gives the same numbers as an uninterrupted one.

A batch depends only on the seed, the step and the process. The settings name the device. A store
saves and loads the state: as one file (`checkpoint`) or sharded (`sharded_checkpoint`).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from ..errors import ConfigError, TrainingError, check_range
from .averages import Averages
from .checkpoint import CheckpointStore, TrainingState, WholeFile
from .distributed import Ranks
from .sheets import sheets_in

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """Settings of a training run; ConfigError for values out of range."""

    steps: int
    batch: int  # samples per step, over all processes
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
    report_every: int = 20
    half: bool = True  # autocast to bfloat16; weights stay float32
    device: str = "cpu"
    accumulate: int = 1  # successive parts of a process's share of the batch

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "accumulate"):
            check_range(name, getattr(self, name), 1)
        check_range("decay", self.decay, 0, 1)
        if not 0 <= self.average < 1:
            raise ConfigError(f"average {self.average}: must be at least 0 and below 1")
        if not all(0 <= length < 1 for length in self.longer):
            raise ConfigError(f"longer averages {self.longer}: each must be at least 0 and below 1")

    def rate_at(self, step: int) -> float:
        """The factor in [0, 1] of the learning rates at `step`: warm-up, constant, linear decay."""
        falling = self.decay * self.steps
        remaining = (self.steps - step) / falling if falling else 1.0
        return min(1.0, (step + 1) / self.warmup if self.warmup else 1.0, remaining)


TrainedModel = TypeVar("TrainedModel", bound=nn.Module)


class EvaluationStopped(Exception):  # noqa: N818
    """An evaluation was ended before its result; a resumed run repeats it."""


class Task(Protocol[TrainedModel]):
    """A model to train: its loss at a step, its hidden matrices for Muon, and its evaluation.

    `show` may raise EvaluationStopped, in a run of one process.
    """

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
        self.views = [
            weight if weight.ndim == 2 else nn.Parameter(weight.detach().view(len(weight), -1))
            for weight in weights
        ]

    def share_gradients(self) -> None:
        """Gives each matrix the gradient of its weight."""
        for weight, view in zip(self.weights, self.views, strict=True):
            if view is not weight:
                view.grad = None if weight.grad is None else weight.grad.view_as(view)


def block_matrices(model: nn.Module) -> set[str]:
    """The names of the matrices inside of transformer blocks, those of modulation aside."""
    return {
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2 and ".blocks." in name and ".modulation." not in name
    }


def optimizers_of(
    task: Task[TrainedModel], config: TrainingConfig
) -> tuple[Matrices, list[Optimizer]]:
    """Muon (Jordan et al. 2024) for hidden matrices, AdamW for the rest; updates of equal RMS.

    Matrices of one shape move together; where FSDP shards them, by torch's Muon. AdamW is one
    fused kernel. TrainingError where this torch has no Muon (before 2.9).
    """
    hidden = task.matrices()
    matrices = Matrices([p for name, p in task.model.named_parameters() if name in hidden])
    others = [p for name, p in task.model.named_parameters() if name not in hidden]
    whole = not any(hasattr(weight, "full_tensor") for weight in (*matrices.weights, *others))
    device, decay = torch.device(config.device).type, config.weight_decay
    fused = True if device == "cuda" or (device == "cpu" and whole) else None
    rest = AdamW(others, config.rate, betas=(0.9, 0.98), weight_decay=decay, fused=fused)
    if not matrices.views:
        return matrices, [rest]
    try:
        from torch.optim import Muon

        from .muon import BatchedMuon
    except ImportError as missing:
        raise TrainingError(
            f"torch {torch.__version__} has no Muon: install torch 2.9 or newer, or choose AdamW"
        ) from missing
    if whole:
        return matrices, [BatchedMuon(matrices.views, config.matrix_rate, decay), rest]
    muon = Muon(matrices.views, config.matrix_rate, decay, adjust_lr_fn="match_rms_adamw")
    return matrices, [muon, rest]


@contextmanager
def scalars_in(folder: Path, start: int) -> "Iterator[SummaryWriter | None]":
    """A writer for TensorBoard after step `start`, closed at the end of the block.

    None if TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield None
        return
    with closing(SummaryWriter(str(folder / "scalars"), purge_step=start + 1)) as scalars:
        yield scalars


def train(
    task: Task[TrainedModel],
    config: TrainingConfig,
    folder: Path,
    ranks: Ranks,
    *,
    resume: bool,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    averages: Averages[TrainedModel] | None = None,
    store: CheckpointStore | None = None,
    should_stop: Callable[[], bool] | None = None,
    record: Callable[[int, Mapping[str, float]], None] = lambda step, values: None,
    show_first: bool = False,
    after_step: Callable[[int], None] = lambda step: None,
) -> TrainedModel:
    """The first average of the model after all steps, or after `config.until`.

    `folder` holds the checkpoint, the sheets, and values and sheets for TensorBoard. `resume`
    continues from the checkpoint in it, if there is one. `averages` and `store` have defaults. Once
    `should_stop` is true in any process, the run is saved and ends after that step. `record`
    receives the same values as TensorBoard. `show_first` evaluates a loaded step before the next
    one, for a process that ended between saving and evaluating. All processes call `after_step`
    with the number of steps done, before they save. TrainingError for the checkpoint of another
    model.
    """
    model = task.model
    averages = averages or Averages(model, (config.average, *config.longer))
    store = store or WholeFile(folder / "checkpoint.safetensors", ranks)
    matrices, optimizers = optimizers_of(task, config)
    rates = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    state = TrainingState(model, averages.named, optimizers)
    start = store.load(state) if resume and store.exists() else 0
    parameters = [p for p in model.parameters() if p.requires_grad]

    with scalars_in(folder, start) if ranks.first else nullcontext() as scalars:

        def publish(step: int, values: Mapping[str, float]) -> None:
            record(step, values)
            if scalars:
                for name, value in values.items():
                    scalars.add_scalar(name, value, step)

        def show(step: int) -> bool:
            """Evaluates; False if the evaluation was stopped."""
            if ranks.first or ranks.together:
                try:
                    values = task.show(averages.first, step, folder)
                except EvaluationStopped:
                    return False
                if ranks.first:
                    publish(step, values)
                    if scalars:
                        add_sheet(scalars, folder, step)
            return True

        if show_first and start and not show(start):
            return averages.first
        began, since, running = time.monotonic(), start, 0.0
        end = min(config.steps, config.until or config.steps)
        for step in range(start, end):
            groups = [group for optimizer in optimizers for group in optimizer.param_groups]
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate * config.rate_at(step)
            loss, parts = accumulated(task, config, step, ranks)
            ranks.average(p.grad for p in parameters if p.grad is not None)
            norm = nn.utils.clip_grad_norm_(parameters, config.clip)
            matrices.share_gradients()
            for optimizer in optimizers:
                optimizer.step()
            model.zero_grad()
            averages.update(model, step)

            done = step + 1
            stopped = should_stop is not None and ranks.agree(should_stop())
            last = done == end or stopped
            now = loss.item()
            running = now if done == start + 1 else 0.98 * running + 0.02 * now
            if done % config.report_every == 0 or last:
                norm = ranks.whole(norm)
            if ranks.first and (done % config.report_every == 0 or last):
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
                values = {**parts, "loss": loss, "gradient_norm": norm}
                publish(done, {name: float(value.detach()) for name, value in values.items()})
            after_step(done)
            saved = done % config.save_every == 0 or last
            if saved:
                store.save(done, state)
            if not stopped and (done % config.show_every == 0 or last):
                stopped = not show(done)
                if stopped and not saved:
                    store.save(done, state)
            if stopped:
                break
    return averages.first


def add_sheet(scalars: "SummaryWriter", folder: Path, step: int) -> None:
    """Adds the contact sheet of `step` in `folder` to TensorBoard, if there is one."""
    for at, path in sheets_in(folder):
        if at == step:
            with Image.open(path) as sheet:
                scalars.add_image(
                    "samples", np.asarray(sheet.convert("RGB")), step, dataformats="HWC"
                )


def accumulated(
    task: Task[TrainedModel], config: TrainingConfig, step: int, ranks: Ranks
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Adds the gradients of all parts of the batch at `step`; returns the mean loss and its parts.

    Each part of a process's share is drawn as if by a separate process, so the gradients equal
    those of `accumulate` times as many processes.
    """
    losses, every = [], []
    for i in range(config.accumulate):
        with ranks.reducing(task.model, i == config.accumulate - 1):
            device = torch.device(config.device).type
            with torch.autocast(device, torch.bfloat16, enabled=config.half):
                loss, parts = task.loss(step, ranks.part(i, config.accumulate))
            (loss / config.accumulate if config.accumulate > 1 else loss).backward()
        losses.append(loss.detach())
        every.append(parts)
    if len(losses) == 1:
        return ranks.mean(losses[0]), every[0]
    names = dict.fromkeys(name for parts in every for name in parts)
    means = {
        name: torch.stack([p[name].detach() for p in every if name in p]).mean() for name in names
    }
    return ranks.mean(torch.stack(losses).mean()), means
