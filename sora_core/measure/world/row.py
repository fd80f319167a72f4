"""One ruler's result on true, encoded and generated clips, with its 95 % interval.

The interval is Wilson's for shares, and the percentile bootstrap for means.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, sqrt

import numpy as np

from ..report import Figure

NONE = float("nan")
Z = 1.959964  # the normal quantile of 0.975
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """`true`, `limit` (true clips through the autoencoder) and `generated`; nan where undefined.

    `low` and `high` are the 95 % interval of `generated` over `n` clips.
    """

    name: str
    true: float
    limit: float
    generated: float
    n: int
    low: float
    high: float

    @property
    def figures(self) -> list[Figure]:
        """The flat keys `NAME/true`, `NAME/limit`, `NAME/made` and `NAME/n`, where there are."""
        values = {"true": self.true, "limit": self.limit, "made": self.generated}
        found = [Figure(f"{self.name}/{k}", v) for k, v in values.items() if not isnan(v)]
        return [*found, Figure(f"{self.name}/n", self.n, "clips")]

    def __str__(self) -> str:
        numbers = " ".join(f"{v:8.3f}" if not isnan(v) else 8 * " " for v in self._numbers)
        return f"{self.name:<26}{numbers}   [{self.low:.3f}, {self.high:.3f}]  n {self.n}"

    @property
    def _numbers(self) -> tuple[float, float, float]:
        return self.true, self.limit, self.generated


HEADER = f"{'':<26}{'true':>8} {'limit':>8} {'made':>8}   95 % of made"


def share_row(
    name: str, true: Sequence[bool], limit: Sequence[bool], result: Sequence[bool]
) -> Row:
    """A row of shares; the interval is Wilson's."""
    low, high = wilson(sum(result), len(result))
    return Row(name, _mean(true), _mean(limit), _mean(result), len(result), low, high)


def mean_row(
    name: str, true: Sequence[float], limit: Sequence[float], result: Sequence[float]
) -> Row:
    """A row of means; the interval is bootstrapped."""
    low, high = bootstrap(list(result))
    return Row(name, _mean(true), _mean(limit), _mean(result), len(result), low, high)


def mean_row_of(name: str, scenes: Sequence[Sequence[float]]) -> Row:
    """The `mean_row` of scenes, each with its true, limit and generated value."""
    return mean_row(name, *([scene[side] for scene in scenes] for side in range(3)))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else NONE


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The interval of a share of `hits` in `n`; (0, 1) where n is 0. Wilson 1927."""
    if n == 0:
        return 0.0, 1.0
    share, square = hits / n, Z * Z
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = Z * sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap(values: Sequence[float]) -> tuple[float, float]:
    """The interval of the mean of `values`, from 2,000 resamples of a fixed seed."""
    if len(values) < 2:
        mean = float(values[0]) if values else float("nan")
        return mean, mean
    rng = np.random.Generator(np.random.PCG64(0))
    sample = np.asarray(values, dtype=np.float64)
    means = sample[rng.integers(len(sample), size=(RESAMPLES, len(sample)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
