"""What a value is, as one short text: the same for the same value in every process."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType

import torch
from torch import Tensor, nn

from ..errors import ConfigError

MAX_NESTING = 40
SAMPLES = 1024  # values of a tensor of weights: training or merging changes nearly all of them


def fingerprint(*values: object) -> str:
    """64 hexadecimal digits that stand for `values` alone, and for all they hold.

    Tensors count with every byte, modules with their state and their numbers, functions with their
    name and what they close over. ConfigError for anything that could not be told from another of
    its kind once the process has ended.
    """
    found = hashlib.sha256()
    for piece in _encoded(values, 0):
        found.update(len(piece).to_bytes(8, "little"))
        found.update(piece)
    return found.hexdigest()


def tensor_sample(tensor: Tensor) -> tuple[str, list[int], Tensor]:
    """What tells one tensor of trained weights from another, without reading all of it.

    Its dtype, its shape and values spread evenly over it; a change of a few values goes unseen.
    """
    flat = tensor.detach().reshape(-1)
    places = torch.linspace(0, len(flat) - 1, min(SAMPLES, len(flat)), dtype=torch.float64).long()
    return str(tensor.dtype), list(tensor.shape), flat[places.to(flat.device)]


def _encoded(value: object, depth: int) -> Iterator[bytes | memoryview]:
    """The bytes of `value`, each kind of value beginning with its own name."""
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
        case torch.no_grad():  # around each sampler of the host; what it holds is to restore
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
