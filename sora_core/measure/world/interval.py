"""95 % intervals: Wilson's for shares, the percentile bootstrap for means."""

from collections.abc import Sequence
from math import sqrt

import numpy as np

Z = 1.959964  # the normal quantile of 0.975
RESAMPLES = 2000


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
