"""Figures with names and units: lines for people, a table for programs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path

from ..files import replacing


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; shares have the unit 1."""

    name: str
    value: float
    unit: str = "1"

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4g} {self.unit}"


def write_json(figures: Sequence[Figure], path: Path) -> None:
    """Puts the values, by name, into the file at `path`."""
    values = {figure.name: round(figure.value, 6) for figure in figures}
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def decibels(error: float) -> float:
    """The ratio of a full swing from 0 to 1 to the mean squared `error`, at most 120."""
    return -10 * log10(max(error, 1e-12))
