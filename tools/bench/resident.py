"""How much memory a process takes, as the system counts it."""

from dataclasses import dataclass
from pathlib import Path

STATUS = Path("/proc/self/status")
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Resident:
    """Megabytes of this process: now, the most so far, and how much of now lies in files."""

    now: float
    peak: float
    in_files: float

    @classmethod
    def read(cls) -> "Resident":
        lines = (line.split(":", 1) for line in STATUS.read_text().splitlines())
        kilobytes = {name: text.split()[0] for name, text in lines if text.endswith("kB")}
        return cls(
            *(float(kilobytes[name]) * 1024 / MEGABYTE for name in ("VmRSS", "VmHWM", "RssFile"))
        )
