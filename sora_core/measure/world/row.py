"""One ruler's result: of true clips, of these through the autoencoder, and of generated ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from ..report import Figure
from .interval import bootstrap, wilson

NONE = float("nan")


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


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else NONE
