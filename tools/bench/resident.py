"""Resident memory of this process, as Linux counts it."""

from dataclasses import dataclass
from pathlib import Path

PROCESS = Path("/proc/self")
PEAK = "5"  # the code that resets the peak


@dataclass(frozen=True, slots=True)
class Resident:
    """Megabytes: current, peak, and the file-backed part of the current."""

    now: float
    peak: float
    in_files: float

    @classmethod
    def read(cls) -> "Resident":
        lines = (line.split(":", 1) for line in (PROCESS / "status").read_text().splitlines())
        kilobytes = {name: text.split()[0] for name, text in lines if text.endswith("kB")}
        return cls(*(float(kilobytes[name]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM", "RssFile")))

    @staticmethod
    def forget_peak() -> None:
        """Resets the peak."""
        (PROCESS / "clear_refs").write_text(PEAK)
