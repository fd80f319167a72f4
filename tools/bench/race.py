"""Compares candidates that do the same work, timed fairly on a busy machine.

Each round runs all candidates, every other round in reverse, and the peer twice: the difference of
the peer from itself is the noise, below which ratios mean nothing. Ratios are of CPU time, which
other processes' load does not change, and per round, since machines drift.
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from statistics import median, quantiles

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from sora_core.measure.report import Figure

NOISE = 0.05
SHORTEST = 0.3  # seconds; less work than that is done several times a lap
MOST_REPEATS = 50
AGAIN = "again"
GEMM = "gemm"


class DifferentError(Exception):
    """Two candidates have different results. The message has their difference."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Work to be timed; its floating-point operations, if known; and the clocks to time it by."""

    run: Callable[[], object]
    flops: float = 0.0
    cpu: Callable[[], float] = time.process_time
    wall: Callable[[], float] = time.perf_counter


@dataclass(frozen=True, slots=True)
class Lap:
    cpu: float
    wall: float


By = Callable[[Lap], float]
by_cpu: By = attrgetter("cpu")
by_wall: By = attrgetter("wall")


@dataclass(frozen=True, slots=True)
class Race:
    """The laps of every candidate, in seconds, one per round."""

    name: str
    peer: str
    candidates: Mapping[str, Candidate]
    laps: dict[str, list[Lap]] = field(default_factory=dict)

    def ratios(self, candidate: str, by: By) -> list[float]:
        """The peer's time over that of `candidate`, in each round."""
        peers = zip(self.laps[self.peer], self.laps[AGAIN], strict=True)
        means = [(by(before) + by(after)) / 2 for before, after in peers]
        return [mean / by(lap) for mean, lap in zip(means, self.laps[candidate], strict=True)]

    def times_faster(self, candidate: str, by: By) -> float:
        """The peer's time over that of `candidate`, the median over the rounds."""
        return median(self.ratios(candidate, by))

    def times_faster_at_best(self, candidate: str, by: By) -> float:
        """The best lap of the peer over the best lap of `candidate`."""
        peers = [*self.laps[self.peer], *self.laps[AGAIN]]
        return min(map(by, peers)) / min(map(by, self.laps[candidate]))

    def verdict(self, key: str, candidate: str) -> Iterator[Figure]:
        """The ratio under `key` with its evidence; 1 if best and median laps disagree.

        There is no verdict in a race whose peer does not even agree with itself; a single round is
        a rehearsal without an estimate of noise.
        """
        if self.rounds > 1 and self.noise(by_cpu) > NOISE:
            return
        usual = self.times_faster(candidate, by_cpu)
        best = self.times_faster_at_best(candidate, by_cpu)
        yield Figure(key, usual if (usual > 1) == (best > 1) else 1.0, "x")
        yield Figure(f"{key}/cpu_min", best, "x")
        yield Figure(f"{key}/wall", self.times_faster(candidate, by_wall), "x")

    def share(self, key: str, candidate: str) -> Iterator[Figure]:
        """The median ratio under `key`, and the quartiles of the rounds, whatever the noise.

        For a candidate that has the peer's work within it: its ratio is compared with a bar far
        below 1, and the quartiles say how sure that is.
        """
        every = sorted(self.ratios(candidate, by_cpu))
        low, middle, high = quantiles(every, n=4, method="inclusive") if every[1:] else every * 3
        yield Figure(key, middle, "x")
        yield Figure(f"{key}/low", low, "x")
        yield Figure(f"{key}/high", high, "x")

    def tested(self, key: str, candidate: str) -> Iterator[Figure]:
        """The median ratio under `key`, and its interval of 95 %, whatever the noise.

        For candidates that are nearly equal: many alternating rounds narrow the interval of the
        median, which one noisy round does not move.
        """
        every = self.ratios(candidate, by_cpu)
        low, high = median_interval(every)
        yield Figure(key, median(every), "x")
        yield Figure(f"{key}/low", low, "x")
        yield Figure(f"{key}/high", high, "x")
        yield Figure(f"{key}/cpu_min", self.times_faster_at_best(candidate, by_cpu), "x")

    def noise(self, by: By) -> float:
        """The relative difference of the peer's two runs."""
        peers = zip(self.laps[self.peer], self.laps[AGAIN], strict=True)
        return abs(median(by(after) / by(before) for before, after in peers) - 1)

    def figures(self) -> Iterator[Figure]:
        """The times of all candidates, and the peer against itself."""
        peak = self.speed(GEMM) if GEMM in self.laps else 0.0
        for name, laps in self.laps.items():
            place = f"{self.name}/{name}"
            yield Figure(f"{place}/cpu", median(lap.cpu for lap in laps), "s")
            yield Figure(f"{place}/cpu_min", min(lap.cpu for lap in laps), "s")
            yield Figure(f"{place}/wall_min", min(lap.wall for lap in laps), "s")
            if name in self.candidates and self.candidates[name].flops:
                yield Figure(f"{place}/speed", self.speed(name), "GF/s")
                if peak and name != GEMM:
                    yield Figure(f"{place}/of_peak", self.speed(name) / peak)
        yield Figure(f"{self.name}/rounds", self.rounds)
        if hasattr(os, "getloadavg"):
            yield Figure(f"{self.name}/load", os.getloadavg()[0])
        if self.rounds > 1:
            yield Figure(f"{self.name}/noise", self.noise(by_cpu))

    @property
    def rounds(self) -> int:
        return len(self.laps[self.peer])

    def speed(self, name: str) -> float:
        return self.candidates[name].flops / median(lap.cpu for lap in self.laps[name]) / 1e9


def race(name: str, candidates: Mapping[str, Candidate], rounds: int) -> Race:
    """Every candidate's laps; the first of them is the peer, and runs a second time as `again`."""
    peer = next(iter(candidates))
    run = Race(name, peer, candidates, {key: [] for key in (*candidates, AGAIN)})
    order = list(run.laps)
    repeats = {}
    for key in candidates:
        first = lap(candidates[key], 1).cpu  # pays for memory and kernels
        needed = math.ceil(SHORTEST / max(first, SHORTEST / MOST_REPEATS))
        repeats[key] = needed if rounds > 1 else 1
    for _ in range(rounds):
        for key in order:
            known = peer if key == AGAIN else key
            run.laps[key].append(lap(candidates[known], repeats[known]))
        order.reverse()
    return run


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """The values of the narrowest pair of ranks that holds the true median with `confidence`.

    For any distribution: the number of values below its median is binomial. Fewer than
    6 values give their extremes, which hold it less surely.
    """
    every, count = sorted(values), len(values)
    below, most = 0.0, (1 - confidence) / 2
    first = 0
    for i in range(count // 2):
        below += math.comb(count, i) / 2**count
        if below > most:
            break
        first = i
    return every[first], every[count - 1 - first]


def lap(candidate: Candidate, repeats: int) -> Lap:
    cpu, wall = candidate.cpu(), candidate.wall()
    for _ in range(repeats):
        candidate.run()
    cpu, wall = candidate.cpu() - cpu, candidate.wall() - wall
    return Lap(cpu / repeats, wall / repeats)


def gemm(side: int = 2048) -> Candidate:
    """A product of square matrices: an upper bound of the speed on this machine."""
    a, b = torch.rand(2, side, side)
    return Candidate(lambda: a @ b, 2.0 * side**3)


def flops(run: Callable[[], object]) -> int:
    """Floating-point operations of `run`; the fused attention kernel of CPUs would count as 0."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    return counter.get_total_flops()


def same(name: str, result: Tensor, expected: Tensor, limit: float = 1e-5) -> Figure:
    """The largest difference as a share of the largest value; DifferentError above `limit`."""
    error = ((result - expected).abs().max() / expected.abs().max()).item()
    if not error <= limit:
        raise DifferentError(f"{name}: {error:.2g} apart, at most {limit:g} is the same work")
    return Figure(f"{name}/error", error)
