"""Long jobs that go on where they stopped: each finished part is a file, named by what made it."""

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
JOB_NAME = 16  # hexadecimal digits of a job's name, 64 bits: enough for those of one folder
FILE = 32  # and of a part's

_HEX = re.compile(r"[0-9a-f]{16}")
_PART = r"[0-9a-f]{32}(\.[0-9]{5,})?\.safetensors"  # a part, or one of its predictions
_HALF_WRITTEN = r"\..*\.part\.(json|safetensors)"
_HALF = re.compile(_HALF_WRITTEN)
_OURS = re.compile("|".join([r"job\.json", _PART, _HALF_WRITTEN]))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is planned and what is done: of each finished part its file, and the hash of its values.

    `what` is for people; `begun` is the time, in UTC.
    """

    what: str
    seed: int
    total: int
    begun: str
    finished: bool = False
    done: dict[str, list[str]] = field(default_factory=dict)


class Job:
    """A long job and its folder below `root`.

    `shared` is all that makes every part of it, and `key` what differs from part to part.
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
        """The part that `make` gives, and whether this or another job below the root had it.

        `key` is all that makes this part alone. One whose file is damaged is made again. What the
        model predicts on the way is kept until the part is done, if `make` asks for it there.
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
        """Notes that every part is done."""
        self._note(replace(self.manifest, finished=True))
        self._remove_half_written()

    def _note(self, manifest: Manifest) -> None:
        self.manifest = manifest
        write_text_cached(self.folder / JOB_MANIFEST, json.dumps(asdict(manifest)))

    def _remove_half_written(self) -> None:
        """Removes what killed writers left, of this job and of others below the root."""
        with refusing(self.folder), suppress(FileNotFoundError):
            remove_stale(self.folder.parent)
            for file in self.folder.glob(".*.part.*"):  # of versions that wrote them here
                if _HALF.fullmatch(file.name):
                    file.unlink(missing_ok=True)


def jobs(root: Path) -> list[Path]:
    """The folders of all jobs below `root`, the one that began last in front."""
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
    """The manifest in `folder`; None where there is none that makes sense."""
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
    """Bytes of the files of the job in `folder`."""
    return size_of(_files(folder))


def remove(folder: Path) -> None:
    """Removes the job in `folder`, and the folder unless something else lies there.

    A job that is running begins its next part anew. What dead writers left below the root goes too.
    """
    if is_staging(folder):  # and no job: its writer may be alive
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
