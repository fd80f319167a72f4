"""The curves of a run: a line of JSON for each report, in a file that a resumed run continues."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Curve = list[tuple[int, float]]
"""Steps and values, in the order of the steps."""


@dataclass
class History:
    """The values that a run has reported by name, and the file at `path` that holds them."""

    path: Path
    curves: dict[str, Curve] = field(default_factory=dict)

    @classmethod
    def until(cls, path: Path, step: int) -> "History":
        """The history in the file at `path` up to `step`; later lines are of steps to be redone.

        A line that a crash left unfinished is dropped.
        """
        history = cls(path)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = []
        for line in lines:
            try:
                values = json.loads(line)
            except ValueError:
                continue
            if isinstance(values, dict) and values.get("step", step + 1) <= step:
                kept.append(line)
                history._add(values.pop("step"), values)
        if len(kept) != len(lines):
            path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        return history

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Adds `values` of `step`, in memory and to the file."""
        self._add(step, values)
        line = json.dumps({"step": step} | {name: round(v, 6) for name, v in values.items()})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _add(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.curves.setdefault(name, []).append((step, float(value)))

    def curve(self, name: str) -> Curve:
        return self.curves.get(name, [])
