"""Tensors in a file that says what made them: given back for that alone, and only undamaged."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from torch import Tensor

from .digest import digest
from .errors import MediaError, SoraError
from .weights import read, read_header, write

KEY, HASH = "key", "sha256"

Tensors = Mapping[str, Tensor]


def read_kept(path: Path, key: str) -> Tensors | None:
    """The tensors in the file at `path`; None where it is missing, damaged or of another key."""
    try:
        said = read_header(path).metadata
        if said.get(KEY) != key:
            return None
        tensors = read(path)
    except SoraError:
        return None
    return tensors if said.get(HASH) == digest(tensors) else None


def write_kept(path: Path, key: str, tensors: Tensors) -> None:
    """Puts `tensors` into the file at `path`, whole or not at all, in a folder made if need be."""
    make_folder(path.parent)
    write(path, tensors, {KEY: key, HASH: digest(tensors)})


def size_of(files: Iterable[Path]) -> int:
    """Bytes of `files`, of those that are there: a running job makes and removes some."""
    total = 0
    for file in files:
        with suppress(OSError):
            total += file.stat().st_size
    return total


def make_folder(folder: Path) -> None:
    with refusing(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def refusing(folder: Path) -> Iterator[None]:
    """Tells the user what the disk refuses of the job in `folder`, as MediaError."""
    try:
        yield
    except OSError as problem:
        raise MediaError(
            f"job {folder.name}: {problem.strerror}: is there free space, and access?"
        ) from problem
