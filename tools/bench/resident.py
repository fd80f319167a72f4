"""How much memory this process takes, as Linux counts it."""

from dataclasses import dataclass
from pathlib import Path

PROCESS = Path("/proc/self")
PEAK = "5"  # which of its counts the system is told to begin anew


@dataclass(frozen=True, slots=True)
class Resident:
    """Megabytes: now, the most so far, and how much of now lies in files."""

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
        """From here on the peak is that of what follows."""
        (PROCESS / "clear_refs").write_text(PEAK)
