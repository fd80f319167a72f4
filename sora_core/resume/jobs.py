"""Long jobs that resume: each finished part is a file, named by the fingerprint of its inputs."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from .fingerprint import fingerprint
from .prediction_cache import PredictionCache
from .staging import is_staging, remove_stale
from .tensor_cache import Tensors, read_cached, refusing, size_of, write_cached, write_text_cached

JOB_MANIFEST = "job.json"
MAX_MANIFEST = 10_000_000  # bytes; a part takes about 150
JOB_NAME = 16  # hexadecimal digits of a job's name: 64 bits do for the jobs of one folder
FILE = 32  # hexadecimal digits of a part's file name

_HEX = re.compile(r"[0-9a-f]{16}")
_PART = r"[0-9a-f]{32}(\.[0-9]{5,})?\.safetensors"  # a part, or one of its predictions
_HALF_WRITTEN = r"\..*\.part\.(json|safetensors)"
_HALF = re.compile(_HALF_WRITTEN)
_OURS = re.compile("|".join([r"job\.json", _PART, _HALF_WRITTEN]))


@dataclass(frozen=True, slots=True)
class Manifest:
    """The state of a job: `done` maps each finished part's index to its file and fingerprint.

    `what` describes the job for people; `total` counts its parts; `begun` is the start in UTC, in
    ISO 8601.
    """

    what: str
    seed: int
    total: int
    begun: str
    finished: bool = False
    done: dict[str, list[str]] = field(default_factory=dict)


class Job:
    """A long job in its own folder below `root`, which it creates or resumes.

    `shared` and `key` are fingerprints of its inputs and name the folder; every part's key includes
    `shared`. MediaError where the disk refuses.
    """

    def __init__(self, root: Path, shared: str, key: str, what: str, seed: int, total: int) -> None:
        self.shared, self.folder = shared, root / fingerprint(shared, key)[:JOB_NAME]
        begun = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.manifest = read_manifest(self.folder) or Manifest(what, seed, total, begun)
        self._remove_half_written()
        self._note(self.manifest)

    def part(
        self, index: int, key: str, make: Callable[[PredictionCache], Tensors]
    ) -> tuple[Tensors, bool]:
        """The tensors of part `index`, and whether this or another job below the root had them.

        `key` is the fingerprint of the part's own inputs. `make` computes a part whose file is
        missing or damaged. It gets a cache for the model's predictions, which lasts until the part
        is written.
        """
        key = fingerprint(self.shared, key)
        own = self.folder / f"{key[:FILE]}.safetensors"
        predictions = PredictionCache(self.folder, own.stem, key)
        there = part = read_cached(own, key)
        if part is None:
            others = (read_cached(path, key) for path in self.folder.parent.glob(f"*/{own.name}"))
            part = next((other for other in others if other is not None), None)
        known = part is not None
        if part is None:
            part = make(predictions)
        if there is None:
            write_cached(own, key, part)
        entry = {str(index): [own.name, fingerprint(part)]}
        if not entry.items() <= self.manifest.done.items():
            self._note(replace(self.manifest, done=self.manifest.done | entry))
        predictions.clear()
        return part, known

    def finish(self) -> None:
        """Marks the job as finished in its manifest."""
        self._note(replace(self.manifest, finished=True))
        self._remove_half_written()

    def _note(self, manifest: Manifest) -> None:
        self.manifest = manifest
        write_text_cached(self.folder / JOB_MANIFEST, json.dumps(asdict(manifest)))

    def _remove_half_written(self) -> None:
        """Removes files of killed writers, those of other jobs below the root included."""
        with refusing(self.folder), suppress(FileNotFoundError):
            remove_stale(self.folder.parent)
            for file in self.folder.glob(".*.part.*"):  # older versions wrote them here
                if _HALF.fullmatch(file.name):
                    file.unlink(missing_ok=True)


def jobs(root: Path) -> list[Path]:
    """The folders of all jobs below `root`, the newest first."""
    if not root.is_dir():
        return []
    folders = [
        folder
        for folder in root.iterdir()
        if _HEX.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink()
    ]
    begun = {folder: m.begun if (m := read_manifest(folder)) else "" for folder in folders}
    return sorted(folders, key=lambda folder: (begun[folder], folder.name), reverse=True)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest in `folder`; None where it is missing, too large or malformed."""
    with suppress(OSError, ValueError, RecursionError):
        path = folder / JOB_MANIFEST
        if not path.is_file() or path.stat().st_size > MAX_MANIFEST:
            return None
        match json.loads(path.read_text(encoding="utf-8")):
            case {
                "what": str(what),
                "seed": int(seed),
                "total": int(total),
                "begun": str(begun),
                "finished": bool(finished),
                "done": dict(done),
            } if all(_is_part(*entry) for entry in done.items()):
                return Manifest(what, seed, total, begun, finished, done)
    return None


def size_on_disk(folder: Path) -> int:
    """The size of the job in `folder`, in bytes."""
    return size_of(_files(folder))


def remove(folder: Path) -> None:
    """Removes the files of the job in `folder`, and the folder if it is empty then.

    A job that is running restarts its next part. Files of dead writers below the root are removed
    too. MediaError where the disk refuses.
    """
    if is_staging(folder):  # not a job, and its writer may be alive
        remove_stale(folder.parent)
        return
    with refusing(folder):
        with suppress(FileNotFoundError):  # another process removes it too
            for file in _files(folder):
                file.unlink(missing_ok=True)
        remove_stale(folder.parent)
    with suppress(OSError):
        folder.rmdir()


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.iterdir() if _OURS.fullmatch(file.name))


def _is_part(index: object, entry: object) -> bool:
    match index, entry:
        case str(number), [str(_), str(_)]:
            return number.isdecimal()
    return False
