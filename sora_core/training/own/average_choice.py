"""The choice of an average of a run's weights after the run, by the clips held out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import TrainingError
from ..averages import Averages
from ..checkpoint import TrainingState
from ..distributed import Ranks
from ..sharded_checkpoint import ShardedFolder, trained_weights
from .post_hoc import WORST_FIT, SavedTrack, Snapshots, checked_combination, combination
from .reporting import RunReport
from .run import OnLost, OwnResult, Runner, Trainee, train_own
from .run_file import read_run
from .task import MeasuredTask, OnValidation

LENGTHS = (0.04, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2)


@dataclass(frozen=True, slots=True)
class MeasuredAverage:
    """An average of a relative `length`: its error as a combination, and its held-out loss."""

    length: float
    error: float
    loss: float | None


OnMeasured = Callable[[MeasuredAverage], None]


def choose_average(
    folder: Path,
    lengths: Sequence[float] | None = None,
    *,
    start: Path | None = None,
    cache_folder: Path | None = None,
    on_measured: OnMeasured = lambda measured: None,
    on_lost: OnLost = lambda lost: None,
) -> OwnResult:
    """Writes the average with the least held-out loss of the run in `folder` to a file there.

    The candidates are averages of `lengths`, shares of the run so far, by default those of LENGTHS
    that the snapshots give; each is reported to `on_measured`. `start` is the run's start file if
    it was moved; `on_lost` gets the clips that cannot be used. One process measures, on the run's
    device. TrainingError without a run, snapshots, or held-out clips to choose by; one length needs
    no clips. ConfigError for a length out of range.
    """
    plan, settings = read_run(folder)
    runner_of = partial(AverageRunner, lengths=lengths, on_measured=on_measured)
    if start is not None:
        settings = replace(settings, start=str(start))
    return train_own(
        plan, settings, folder, cache_folder=cache_folder, on_lost=on_lost, runner_of=runner_of
    )


@dataclass(slots=True)
class AverageRunner(Runner):
    """A runner that chooses an average in place of training."""

    lengths: Sequence[float] | None = None
    on_measured: OnMeasured = field(default=lambda measured: None)

    def run(
        self,
        task_with: Callable[[OnValidation], MeasuredTask[Trainee]],
        averages: Averages[Trainee],
        report: RunReport,
    ) -> OwnResult:
        """Measures the candidates on the task from `task_with`, and writes the best one."""
        task = task_with(lambda step, values, best: None)
        store, snapshots = ShardedFolder(self.folder, Ranks()), Snapshots(self.folder)
        state = TrainingState(task.model, averages.named, [])
        last = store.load(state) if store.exists() else 0
        if not (last and averages.tracks):
            raise TrainingError(
                f"{self.folder.name[:60]!a:.62} has no snapshots of averages: train with "
                "--snapshots 8 until a checkpoint is saved"
            )
        names, model = set(trained_weights(task.model)), averages.first
        ends = {SavedTrack(power, last): track for power, track in averages.tracks.items()}
        parts = [*snapshots.parts(last - 1), *ends]
        if self.lengths is None:
            every = {length: combination(parts, length, last) for length in LENGTHS}
            shares = {length: one for length, one in every.items() if one.error <= WORST_FIT}
        else:
            shares = {length: checked_combination(parts, length, last) for length in self.lengths}
        found: list[MeasuredAverage] = []
        for length, one in shares.items():
            set_combination(model, one.shares, ends, snapshots, names)
            found.append(MeasuredAverage(length, one.error, task.held_out_loss(model)))
            self.on_measured(found[-1])
            if found[-1].loss is None and len(shares) > 1:
                raise TrainingError("no clip is held out to choose by: name one of the lengths")
        length = min(found, key=lambda one: one.loss or 0.0).length
        set_combination(model, shares[length].shares, ends, snapshots, names)
        name = f"average-{length:g}.safetensors"
        self.export(name, model, names)
        return OwnResult(last, self.folder / name, report.page, last >= self.settings.steps)


@torch.no_grad()
def set_combination(
    model: nn.Module,
    shares: Mapping[SavedTrack, float],
    ends: Mapping[SavedTrack, nn.Module],
    snapshots: Snapshots,
    names: set[str],
) -> None:
    """Sets the weights of `model` in `names` to the sum of `shares` of snapshots and `ends`."""
    weights = {name: weight for name, weight in model.named_parameters() if name in names}
    for weight in weights.values():
        weight.zero_()
    for part, share in shares.items():
        found: Mapping[str, Tensor] = (
            dict(ends[part].named_parameters()) if part in ends else snapshots.read(part)
        )
        for name, weight in weights.items():
            if name not in found or found[name].shape != weight.shape:
                raise TrainingError(
                    f"{snapshots.path(part.step).name} lacks {name[:80]}: it is of another model"
                )
            weight.add_(found[name].to(weight), alpha=share)
