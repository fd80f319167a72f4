"""Weights in safetensors files: a file's header is fully checked before its values are read.

One file holds several models, each under a prefix such as `transformer.`, and their settings as
strings in its metadata.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import prod
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO, TypeGuard, TypeVar
from weakref import finalize

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..errors import WeightsError
from ..files import replacing
from .state_keys import current_keys

MAX_HEADER = 4_000_000  # bytes: MAX_TENSORS long names and as much metadata; parsed within 1 s
MAX_TENSORS = 20_000
MAX_BRACKETS = 100_000  # three per tensor, more in metadata; each costs a Python object
MAX_DIMENSIONS = 8
PIECE_BYTES = 2**24  # bytes written at a time

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_KINDS = ", ".join(DTYPES)
_AGAIN = "download or train it again"
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_TENSOR_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}")


ModuleType = TypeVar("ModuleType", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a file: dtype and shape of each tensor, and the metadata."""

    tensors: dict[str, tuple[torch.dtype, tuple[int, ...]]]
    metadata: dict[str, str]


def read_header(path: Path) -> Header:
    """The checked header of the file at `path`.

    WeightsError where it cannot be read, breaks a limit of this module, or does not account for
    every byte of the file exactly once.
    """
    path = Path(path)
    try:
        if not path.is_file():  # a pipe would wait for ever
            raise _refused(path, "is not a file: choose a .safetensors file")
        with path.open("rb") as file:
            text, data_bytes = _header_text(path, file)
        return _checked_header(path, _parsed(path, text), data_bytes)
    except OSError as problem:
        raise _refused(path, f"cannot be read ({problem.strerror})") from problem


def read_tensors(
    path: Path, expected: Mapping[str, Sequence[int]] | None = None, prefix: str = ""
) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, by name without it, on the CPU, all finite.

    Old parameter names are replaced by current ones (`state_keys`). With `expected`, a map from
    name to shape, the tensors must be exactly these, and floating point. WeightsError names the
    first tensor that is missing, unexpected, of another shape or dtype, or not finite.
    """
    path = Path(path)
    header = read_header(path)
    try:
        names = current_keys(k.removeprefix(prefix) for k in header.tensors if k.startswith(prefix))
    except WeightsError as problem:
        raise _refused(path, str(problem)) from problem
    found = {name: header.tensors[prefix + stored] for name, stored in names.items()}
    if expected is not None:
        _compare(path, found, expected, prefix)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(prefix + stored) for key, stored in names.items()}
    except (OSError, SafetensorError) as problem:
        raise _refused(path, f"cannot be read ({problem!s:.60})") from problem
    for name in expected or found:
        if not bool(torch.isfinite(tensors[name]).all()):
            raise _refused(path, f"{_short(prefix + name)} holds NaN or infinity: {_AGAIN}")
    return tensors


def read_format(path: Path, name: str, model: str) -> dict[str, str]:
    """The metadata of the file at `path`; WeightsError unless it is a `model` of format `name`."""
    metadata = read_header(path).metadata
    if metadata.get("format") != name:
        raise _refused(path, f"is no {model}: choose one of format {name}")
    return metadata


def load_module(make: Callable[[], ModuleType], path: Path, prefix: str = "") -> ModuleType:
    """The module that `make` returns, with the weights under `prefix`, frozen and in eval mode."""
    with torch.device("meta"):
        module = make()
    load_into(module, path, prefix)
    return module.eval().requires_grad_(False)


def load_into(module: nn.Module, path: Path, prefix: str = "") -> None:
    """Loads the weights under `prefix` into `module`, which may be on the meta device.

    They arrive on the CPU, in the dtypes of `module`. WeightsError as from `read_tensors`.
    """
    state = module.state_dict()
    tensors = read_tensors(path, {name: tensor.shape for name, tensor in state.items()}, prefix)
    fitting = {name: tensor.to(state[name].dtype) for name, tensor in tensors.items()}
    module.load_state_dict(fitting, assign=True)


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes `tensors` and `metadata` to the file at `path` atomically.

    WeightsError for a name or dtype that `read_tensors` refuses, and where the disk refuses.
    """
    ordered = dict(sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])))
    with _begun(Path(path), ordered, metadata or {}) as file:
        for tensor in ordered.values():
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            file.write(flat.view(torch.uint8).numpy().data)


def mapped_tensor(path: Path, name: str, shape: Sequence[int]) -> Tensor:
    """A float32 tensor of zeros, memory-mapped from a new file at `path`; writes go to the file.

    The system can page it out, so it takes no memory for good. All bytes are allocated first:
    WeightsError if the disk is full. The file is removed with the last view of the tensor, except
    on systems that do not remove open files.
    """
    path = Path(path)
    with _begun(path, {name: torch.empty(shape, device="meta")}, {}) as file:
        begin = file.tell()
        for left in range(4 * prod(shape), 0, -PIECE_BYTES):
            file.write(bytes(min(left, PIECE_BYTES)))
    array = np.memmap(path, np.float32, "r+", offset=begin, shape=tuple(shape))
    finalize(array, _removed, path)
    return torch.from_numpy(array)


def _removed(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


@contextmanager
def _begun(
    path: Path, ordered: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> Iterator[BinaryIO]:
    """A file that starts with the header of `ordered`; the block writes their values in order.

    It appears at `path` once the block ends without an error. Wider dtypes come first, so that all
    values are aligned.
    """
    entries: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, tensor in ordered.items():
        if tensor.dtype not in _NAMES:
            raise _refused(path, f"{_short(name)} is {tensor.dtype}: choose one of {_KINDS}")
        begin, end = end, end + tensor.nbytes
        entries[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the values begin aligned
    if len(text) > MAX_HEADER:
        raise _refused(path, f"needs a header of {len(text)} bytes: at most {MAX_HEADER}")
    _checked_header(path, entries, end)
    try:
        with replacing(path) as unfinished, unfinished.open("xb") as file:
            file.write(len(text).to_bytes(8, "little"))
            file.write(text)
            yield file
    except OSError as problem:
        raise _refused(
            path, f"cannot be written ({problem.strerror}): free space there?"
        ) from problem


def _refused(path: Path, problem: str) -> WeightsError:
    return WeightsError(f"{_short(path.name)} {problem}"[:200])


def _short(name: object) -> str:
    text = ascii(name)
    return text if len(text) <= 60 else f"{text[:40]}...{text[-17:]}"


def _header_text(path: Path, file: BinaryIO) -> tuple[bytes, int]:
    """The header's text, and the number of bytes after it; WeightsError if the file is short."""
    size = file.seek(0, SEEK_END)
    file.seek(0)
    if size < 8:
        raise _refused(path, f"has {size} bytes, too few for a safetensors file: {_AGAIN}")
    length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER:
        raise _refused(path, f"is no safetensors file, or its header is too long: {_AGAIN}")
    if length > size - 8:
        raise _refused(path, f"is cut off: {size} bytes, its header alone {length}; {_AGAIN}")
    return file.read(length), size - 8 - length


def _parsed(path: Path, text: bytes) -> dict[str, object]:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        """The pairs as a dictionary; WeightsError for a name that occurs twice."""
        entries: dict[str, object] = {}
        for name, entry in pairs:
            if name in entries:
                raise _refused(path, f"holds {_short(name)} twice")
            entries[name] = entry
        return entries

    brackets = text.count(b"[") + text.count(b"{")
    if brackets > MAX_BRACKETS:
        raise _refused(path, f"has a header with {brackets} brackets: at most {MAX_BRACKETS}")
    try:
        entries = json.loads(text.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as problem:
        raise _refused(path, f"is damaged or no safetensors file: {_AGAIN}") from problem
    if not isinstance(entries, dict):
        raise _refused(path, "has a header that is not a table of tensors")
    return entries


def _checked_header(path: Path, entries: Mapping[str, object], data_bytes: int) -> Header:
    """`entries` as a Header; WeightsError unless their values fill exactly `data_bytes` bytes."""
    metadata = entries.get("__metadata__", {})
    described = len(entries) - ("__metadata__" in entries)
    if described > MAX_TENSORS:
        raise _refused(path, f"holds {described} tensors: at most {MAX_TENSORS}")
    if not _is_text_table(metadata):
        raise _refused(path, "has metadata that is not a table of texts")
    tensors: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {}
    extents: list[tuple[int, int, str]] = []
    for name, entry in entries.items():
        if name == "__metadata__":
            continue
        if not _TENSOR_NAME.fullmatch(name) or ".." in name:
            raise _refused(path, f"names a tensor {_short(name)}: use letters, digits, _ . and -")
        dtype, shape, begin, end = _entry(path, name, entry)
        if prod(shape) * dtype.itemsize != end - begin:
            raise _refused(
                path, f"has {_short(name)} in {end - begin} bytes, which its shape contradicts"
            )
        tensors[name] = dtype, shape
        extents.append((begin, end, name))
    reached = 0
    for begin, end, name in sorted(extents):
        if begin != reached:
            raise _refused(path, f"has {_short(name)} at byte {begin}, not at {reached}: {_AGAIN}")
        reached = end
    if reached != data_bytes:
        raise _refused(path, f"has {data_bytes} bytes of values where {reached} belong: {_AGAIN}")
    return Header(tensors, metadata)


def _entry(path: Path, name: str, entry: object) -> tuple[torch.dtype, tuple[int, ...], int, int]:
    match entry:
        case {"dtype": str(kind), "shape": list(shape), "data_offsets": [begin, end], **rest} if (
            not rest and len(shape) <= MAX_DIMENSIONS and _are_counts([*shape, begin, end])
        ):
            if kind not in DTYPES:
                raise _refused(path, f"has {_short(name)} as {_short(kind)}, not one of {_KINDS}")
            return DTYPES[kind], tuple(shape), begin, end
    raise _refused(path, f"describes {_short(name)} in a way that is not safetensors: {_AGAIN}")


def _are_counts(values: Iterable[object]) -> bool:
    return all(type(value) is int and 0 <= value < 2**63 for value in values)


def _is_text_table(value: object) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _compare(
    path: Path,
    found: Mapping[str, tuple[torch.dtype, tuple[int, ...]]],
    expected: Mapping[str, Sequence[int]],
    prefix: str,
) -> None:
    for name, shape in expected.items():
        label = _short(prefix + name)
        if name not in found:
            raise _refused(path, f"lacks {label}: it belongs to another model or version")
        dtype, stored = found[name]
        if stored != tuple(shape):
            raise _refused(path, f"has {label} as {list(stored)}, but needs {list(shape)}")
        if not dtype.is_floating_point:
            raise _refused(path, f"has {label} as {_NAMES[dtype]}: choose F32, F16 or BF16")
    for name in found:
        if name not in expected:
            raise _refused(path, f"holds {_short(prefix + name)}, which the model does not have")
