"""Hashes of values that are the same in every process; they key the caches on disk."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType

import torch
from torch import Tensor, nn

from ..errors import ConfigError

MAX_NESTING = 40
SAMPLES = 1024  # values per weight tensor: training or merging changes nearly all of them


def fingerprint(*values: object) -> str:
    """SHA-256 of `values` and everything they contain, as 64 hexadecimal digits.

    Tensors enter with every byte, modules with parameters, buffers and numeric attributes,
    functions with their name, defaults and closure. ConfigError for a value whose identity cannot
    be recognised in another process, and for nesting deeper than MAX_NESTING.
    """
    found = hashlib.sha256()
    for piece in _encoded(values, 0):
        found.update(len(piece).to_bytes(8, "little"))
        found.update(piece)
    return found.hexdigest()


def tensor_sample(tensor: Tensor) -> tuple[str, list[int], Tensor]:
    """A cheap identity of a trained weight: dtype, shape and up to SAMPLES evenly spaced values.

    It detects training and merging, but not a change of a few values.
    """
    flat = tensor.detach().reshape(-1)
    places = torch.linspace(0, len(flat) - 1, min(SAMPLES, len(flat)), dtype=torch.float64).long()
    return str(tensor.dtype), list(tensor.shape), flat[places.to(flat.device)]


def _encoded(value: object, depth: int) -> Iterator[bytes | memoryview]:
    """The bytes of `value`; each type starts with its own name, so that no two types collide."""
    if depth > MAX_NESTING:
        raise ConfigError(f"a value nested deeper than {MAX_NESTING}: it cannot be recognised")
    match value:
        case None | bool() | int() | float() | complex() | str() | torch.dtype():
            yield f"{type(value).__name__} {value!r}".encode()
        case bytes():
            yield b"bytes"
            yield value
        case Tensor():
            plain = value.detach().cpu().contiguous()
            yield f"tensor {plain.dtype} {list(plain.shape)}".encode()
            yield plain.reshape(-1).view(torch.uint8).numpy().data
        case torch.device():
            yield f"device {value.type}".encode()
        case nn.Module():
            plain = {key: one for key, one in vars(value).items() if isinstance(one, int | float)}
            own = [value.named_parameters(recurse=False), value.named_buffers(recurse=False)]
            parts = [plain, *(dict(part) for part in (*own, value.named_children()))]
            yield from _tagged("module", type(value), parts, depth)
        case type() | BuiltinFunctionType():
            yield f"name {value.__module__} {value.__qualname__}".encode()
        case FunctionType():
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            parts = [cells, value.__defaults__, value.__kwdefaults__]
            yield from _tagged("function", value, parts, depth)
        case MethodType():
            yield from _tagged("method", value.__func__, [value.__self__], depth)
        case torch.no_grad():  # wraps each sampler of the host; its state only restores grad mode
            yield b"no_grad"
        case partial():
            yield from _tagged("partial", None, [value.func, value.args, value.keywords], depth)
        case Mapping():
            entries = sorted((fingerprint(key), one) for key, one in value.items())
            yield from _tagged("mapping", None, [list(entry) for entry in entries], depth)
        case Set():
            yield from _tagged("set", None, sorted(fingerprint(one) for one in value), depth)
        case Sequence():
            yield from _tagged("sequence", None, value, depth)
        case _ if is_dataclass(value) and not isinstance(value, type):
            parts = [getattr(value, field.name) for field in fields(value)]
            yield from _tagged("dataclass", type(value), parts, depth)
        case _:
            raise ConfigError(
                f"a {type(value).__name__} cannot be recognised once ComfyUI has restarted"[:200]
            )


def _tagged(
    kind: str, of: type | Callable[..., object] | None, parts: Sequence[object], depth: int
) -> Iterator[bytes | memoryview]:
    name = "" if of is None else f"{of.__module__.rpartition('.')[2]} {of.__qualname__}"
    yield f"{kind} {name} {len(parts)}".encode()
    for part in parts:
        yield from _encoded(part, depth + 1)
