"""Tensors in a file that says what made them: given back for that alone, and only undamaged."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from torch import Tensor

from ..checkpoints.safetensors_io import read_header, read_tensors, write_tensors
from ..errors import MediaError, SoraError
from ..files import replacing
from .fingerprint import fingerprint
from .staging import move_into_place, staging

KEY, HASH = "key", "sha256"

Tensors = Mapping[str, Tensor]


def read_cached(path: Path, key: str) -> Tensors | None:
    """The tensors in the file at `path`; None where it is missing, damaged or of another key."""
    try:
        metadata = read_header(path).metadata
        if metadata.get(KEY) != key:
            return None
        tensors = read_tensors(path)
    except SoraError:
        return None
    return tensors if metadata.get(HASH) == fingerprint(tensors) else None


def write_cached(path: Path, key: str, tensors: Tensors) -> None:
    """Puts `tensors` into the file at `path`, whole or not at all, in a folder made if need be.

    It is written in a folder beside that of `path`: another process may clear that meanwhile.
    """
    with refusing(path.parent), staging(path.parent.parent) as folder:
        write_tensors(folder / path.name, tensors, {KEY: key, HASH: fingerprint(tensors)})
        move_into_place(folder / path.name, path)


def write_text_cached(path: Path, text: str) -> None:
    """Puts `text` into the file at `path`, as `write_cached` does."""
    with refusing(path.parent), staging(path.parent.parent) as folder:
        with replacing(folder / path.name) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
        move_into_place(folder / path.name, path)


def size_of(files: Iterable[Path]) -> int:
    """Bytes of `files`, of those that are there: a running job makes and removes some."""
    total = 0
    for file in files:
        with suppress(OSError):
            total += file.stat().st_size
    return total


@contextmanager
def refusing(folder: Path) -> Iterator[None]:
    """Tells the user what the disk refuses of the job in `folder`, as MediaError."""
    try:
        yield
    except OSError as problem:
        raise MediaError(
            f"job {folder.name}: {problem.strerror}: is there free space, and access?"
        ) from problem
