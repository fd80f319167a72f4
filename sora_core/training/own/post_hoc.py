"""Averages of a run's weights whose length is chosen after it (Karras et al. 2024, section 3).

A run saves snapshots of two tracks, whose averages give step `i` a weight that grows with a power
of `i`. A linear combination of the snapshots is nearly the average of any other power. The length
of an average is the standard deviation of its weights over the steps, as a share of the run.

Axes: i steps, j snapshots.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ...checkpoints.safetensors_io import read_format, read_tensors, write_tensors
from ...errors import ConfigError, TrainingError, WeightsError
from ..averages import TRACK_POWERS

SNAPSHOT_FOLDER, SNAPSHOT_FORMAT = "averages", "sora averages 1"
LONGEST_AVERAGE = 0.28  # 0.289 is the mean of all steps
WORST_FIT = 0.1
PENALTY = 1e-3  # on large coefficients, which would multiply the rounding of float16


@dataclass(frozen=True, slots=True)
class SavedTrack:
    """A track as it was after `step`."""

    power: float
    step: int


@dataclass(frozen=True, slots=True)
class Combination:
    """The share of each part, in sum 1, and how far off they are from the wanted average."""

    shares: Mapping[SavedTrack, float]
    error: float


def power_of(length: float) -> float:
    """The power of the average of a relative `length`, by bisection; ConfigError out of range."""
    if not 0 < length <= LONGEST_AVERAGE:
        raise ConfigError(
            f"length {length:g}: choose above 0 and at most {LONGEST_AVERAGE:g} of the run"
        )
    low, high = 0.0, 1.0 / length**2
    for _ in range(100):
        middle = (low + high) / 2
        shorter = (middle + 1) / ((middle + 2) ** 2 * (middle + 3)) < length**2
        low, high = (low, middle) if shorter else (middle, high)
    return high


def profile(part: SavedTrack, steps: int) -> Float[Tensor, " i"]:
    """The weight of each of `steps` steps in the average of `part`, in sum 1."""
    ends = torch.arange(steps + 1, dtype=torch.float64).clamp(max=part.step) / part.step
    return (ends ** (part.power + 1)).diff()


def combination(parts: Sequence[SavedTrack], length: float, step: int) -> Combination:
    """The combination of `parts` nearest to the average of `length` after `step`.

    Least squares over the steps, with a small penalty on large shares. `error` is relative.
    """
    wanted = profile(SavedTrack(power_of(length), step), step)
    scale = wanted.norm()
    columns = torch.stack([profile(part, step) for part in parts], dim=1) / scale
    first, rest = columns[:, :1], columns[:, 1:]
    free = rest.shape[1]  # the first share is 1 less the others
    matrix = torch.cat([rest - first, PENALTY * torch.eye(free), torch.full((1, free), -PENALTY)])
    target = torch.cat([wanted / scale - first[:, 0], torch.zeros(free), torch.tensor([-PENALTY])])
    others = torch.linalg.lstsq(matrix, target[:, None]).solution[:, 0]
    shares = torch.cat([1 - others.sum(0, keepdim=True), others])
    error = (columns @ shares - wanted / scale).norm().item()
    return Combination(dict(zip(parts, shares.tolist(), strict=True)), error)


def snapshot_due(step: int, steps: int, snapshots: int) -> bool:
    """Whether one of `snapshots` of a run of `steps` is after `step`."""
    return snapshots > 0 and step % max(1, steps // snapshots) == 0


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The snapshots in the folder of a run: a file in float16 for each step."""

    folder: Path

    def path(self, step: int) -> Path:
        return self.folder / SNAPSHOT_FOLDER / f"{step:08d}.safetensors"

    def steps(self) -> list[int]:
        """The steps after which there is a snapshot, in order."""
        found = (self.folder / SNAPSHOT_FOLDER).glob("*.safetensors")
        return sorted(int(path.stem) for path in found if re.fullmatch(r"\d{8,}", path.stem))

    def write(self, step: int, tracks: Mapping[float, Mapping[str, Tensor]]) -> None:
        """Writes the weights of each track, by its power, after `step`; atomically."""
        self.path(step).parent.mkdir(exist_ok=True)
        tensors = {
            f"track-{power:g}.{name}": weight.half()
            for power, weights in tracks.items()
            for name, weight in weights.items()
        }
        write_tensors(self.path(step), tensors, {"format": SNAPSHOT_FORMAT})

    def read(self, part: SavedTrack) -> dict[str, Tensor]:
        """The weights of `part` by name; WeightsError for a file that is damaged or no snapshot."""
        path = self.path(part.step)
        try:
            read_format(path, SNAPSHOT_FORMAT, "snapshot of averages")
            return read_tensors(path, prefix=f"track-{part.power:g}.")
        except WeightsError as problem:
            raise WeightsError(
                f"remove {SNAPSHOT_FOLDER}/{path.name}: the others do without it. {problem}"
            ) from problem

    def parts(self, last: int) -> Iterator[SavedTrack]:
        """The parts in the snapshots up to step `last`."""
        for step in self.steps():
            if 0 < step <= last:
                yield from (SavedTrack(power, step) for power in TRACK_POWERS)

    def forget_after(self, step: int) -> None:
        """Removes the snapshots after `step`; a run that continues from there writes them again."""
        for later in self.steps():
            if later > step:
                self.path(later).unlink()


def checked_combination(parts: Sequence[SavedTrack], length: float, step: int) -> Combination:
    """`combination`; TrainingError where its error exceeds WORST_FIT."""
    found = combination(parts, length, step)
    if found.error > WORST_FIT:
        raise TrainingError(
            f"length {length:g} is {found.error:.0%} off with {len(parts) // 2} snapshots: choose "
            "one between 0.05 and 0.15, or train with more --snapshots"
        )
    return found
