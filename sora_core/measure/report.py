"""Figures with names and units, as lines of text and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path

from ..files import replacing


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; the unit of shares is 1."""

    name: str
    value: float
    unit: str = "1"

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4g} {self.unit}"


def write_json(figures: Sequence[Figure], path: Path) -> None:
    """Writes the values by name to the JSON file at `path`, atomically."""
    values = {figure.name: round(figure.value, 6) for figure in figures}
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def decibels(error: float) -> float:
    """The PSNR in dB for a mean squared `error` of values in [0, 1], at most 120."""
    return -10 * log10(max(error, 1e-12))
