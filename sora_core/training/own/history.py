"""The curves of a run: one line of JSON per report, in a file that a resumed run continues."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...files import replacing

HISTORY = "history.jsonl"
HELD_OUT_PREFIX, HELD_OUT_MEAN = "held_out/", "held_out/mean"

LossCurve = list[tuple[int, float]]
"""Steps and values, in the order of the steps."""


@dataclass
class History:
    """The reported values of a run by name, and the file at `path` that holds them."""

    path: Path
    curves: dict[str, LossCurve] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, step: int) -> "History":
        """The history in the file at `path` up to `step`; an unfinished line is ignored."""
        history = cls(path)
        for values in _lines(path):
            if values["step"] <= step:
                history.collect(values.pop("step"), values)
        return history

    @classmethod
    def until(cls, path: Path, step: int) -> "History":
        """Removes later steps from the file, since the run repeats them; then `read`."""
        lines = [json.dumps(values) for values in _lines(path) if values["step"] <= step]
        with replacing(path) as unfinished:
            unfinished.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return cls.read(path, step)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Adds `values` of `step`, in memory and to the file."""
        self.collect(step, values)
        line = json.dumps({"step": step} | {name: round(v, 6) for name, v in values.items()})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def collect(self, step: int, values: Mapping[str, float]) -> None:
        """Adds `values` of `step` in memory only."""
        for name, value in values.items():
            self.curves.setdefault(name, []).append((step, float(value)))

    def curve(self, name: str) -> LossCurve:
        return self.curves.get(name, [])

    def beginning(self, prefix: str) -> dict[str, LossCurve]:
        """The curves whose names begin with `prefix`, by their whole names."""
        return {name: curve for name, curve in self.curves.items() if name.startswith(prefix)}


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            values = json.loads(line)
        except ValueError:  # unfinished because of a crash
            continue
        if isinstance(values, dict) and isinstance(values.get("step"), int):
            found.append(values)
    return found
