"""Tensors cached in files: each is returned only for the key it was written with, and undamaged."""

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
    """The tensors in the file at `path`; None if it is missing, damaged or has another `key`."""
    try:
        metadata = read_header(path).metadata
        if metadata.get(KEY) != key:
            return None
        tensors = read_tensors(path)
    except SoraError:
        return None
    return tensors if metadata.get(HASH) == fingerprint(tensors) else None


def write_cached(path: Path, key: str, tensors: Tensors) -> None:
    """Writes `tensors` with their `key` to the file at `path` atomically, and creates its folder.

    It is staged beside that folder, since another process may clear the folder meanwhile.
    MediaError where the disk refuses.
    """
    with refusing(path.parent), staging(path.parent.parent) as folder:
        write_tensors(folder / path.name, tensors, {KEY: key, HASH: fingerprint(tensors)})
        move_into_place(folder / path.name, path)


def write_text_cached(path: Path, text: str) -> None:
    """Writes `text` to the file at `path`, as `write_cached` does."""
    with refusing(path.parent), staging(path.parent.parent) as folder:
        with replacing(folder / path.name) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
        move_into_place(folder / path.name, path)


def size_of(files: Iterable[Path]) -> int:
    """The size of `files` in bytes; files that a running job has removed count 0."""
    total = 0
    for file in files:
        with suppress(OSError):
            total += file.stat().st_size
    return total


@contextmanager
def refusing(folder: Path) -> Iterator[None]:
    """Turns an OSError in the block into a MediaError that names `folder` and its parent."""
    try:
        yield
    except OSError as problem:
        raise MediaError(
            f"{folder.parent.name}/{folder.name}: {problem.strerror}: check that the first is a "
            "folder, its free space and its access rights"
        ) from problem
