"""The text encoder and its vocabulary in a safetensors file, alone or inside a model file.

Keys, in either: `text.settings.json` (U8, JSON: the fields of TextConfig), `text.vocabulary` (U8:
the word pieces by id, one a line, UTF-8, zlib), and `text.NAME` for each weight of TextEncoder.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from ..errors import ConfigError, WeightsError
from ..models.text_encoder import TextConfig, TextEncoder
from ..models.tokenizer import Tokenizer
from ..paths import released_folder
from .safetensors_io import Header, read_header, read_tensors, write_tensors

FORMAT = "sora text 1"
TEXT_PREFIX = "text."
TEXT_SETTINGS, VOCABULARY_KEY = "text.settings.json", "text.vocabulary"
SHIPPED_TEXT_ENCODER = released_folder() / "text-encoder.safetensors"
MAX_TEXT_SETTINGS = 10_000  # bytes
MAX_VOCABULARY_BYTES = 4_000_000  # bytes of the unpacked vocabulary


def load_text(
    path: Path = SHIPPED_TEXT_ENCODER, dtype: torch.dtype = torch.float32
) -> tuple[TextEncoder, Tokenizer]:
    """The text encoder in the file at `path`, on the CPU and in eval mode, and its tokenizer.

    For a model file without one, the shipped encoder. WeightsError where the file is malformed.
    """
    if not holds_text(path):
        path = SHIPPED_TEXT_ENCODER
    config, tokenizer = read_text_config(path)
    with torch.device("meta"):
        encoder = TextEncoder(config)
    encoder.load_state_dict(read_text_weights(path, encoder, dtype), assign=True)
    return encoder.eval().requires_grad_(False), tokenizer


def holds_text(path: Path) -> bool:
    """Whether the file at `path` holds a text encoder; WeightsError if it is not safetensors."""
    return TEXT_SETTINGS in read_header(path).tensors


def read_text_config(path: Path) -> tuple[TextConfig, Tokenizer]:
    """The configuration of the text encoder in the file at `path`, and its tokenizer.

    WeightsError where either is missing or malformed.
    """
    header = read_header(path)
    try:
        settings = json.loads(_tensor_bytes(path, header, TEXT_SETTINGS, MAX_TEXT_SETTINGS))
        config = _text_config(settings)
        unpacked = zlib.decompressobj()
        text = unpacked.decompress(
            _tensor_bytes(path, header, VOCABULARY_KEY, MAX_VOCABULARY_BYTES), MAX_VOCABULARY_BYTES
        )
        if unpacked.unconsumed_tail:
            raise ConfigError(f"vocabulary of more than {MAX_VOCABULARY_BYTES} bytes")
        pieces = text.decode().split("\n")
        if len(pieces) != config.vocabulary:
            raise ConfigError(f"{len(pieces)} word pieces for {config.vocabulary} rows")
        return config, Tokenizer(pieces)
    except (ValueError, RecursionError, zlib.error, ConfigError) as problem:
        raise WeightsError(
            f"{path.name[:60]!a:.62} holds no text encoder ({problem!s:.90}): download it again"
        ) from problem


def read_text_weights(
    path: Path, encoder: TextEncoder, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """The state dict for `encoder`, which may be on the meta device, from the file at `path`.

    WeightsError where a weight is missing, unexpected, of another shape, or not finite.
    """
    shapes: dict[str, Sequence[int]] = {
        f"{TEXT_PREFIX}{name}": tensor.shape for name, tensor in encoder.state_dict().items()
    }
    header = read_header(path)
    found = {name for name in header.tensors if name.startswith(TEXT_PREFIX)} - {
        TEXT_SETTINGS,
        VOCABULARY_KEY,
    }
    for name in sorted(found ^ shapes.keys()):
        problem = "lacks" if name in shapes else "holds an unknown"
        raise WeightsError(f"{path.name[:60]!a:.62} {problem} {name[:60]}: download it again")
    weights = {}
    for name, shape in shapes.items():
        (tensor,) = read_tensors(path, {"": shape}, name).values()
        weights[name.removeprefix(TEXT_PREFIX)] = tensor.to(dtype)
    return weights


def text_tensors(
    encoder: TextEncoder, tokenizer: Tokenizer, dtype: torch.dtype = torch.float16
) -> dict[str, Tensor]:
    """All tensors of a text encoder's file, by key: weights in `dtype`, settings, vocabulary."""
    weights = {
        TEXT_PREFIX + name: tensor.to(dtype) for name, tensor in encoder.state_dict().items()
    }
    return weights | {
        TEXT_SETTINGS: _tensor(json.dumps(asdict(encoder.config)).encode()),
        VOCABULARY_KEY: _tensor(zlib.compress("\n".join(tokenizer.vocabulary).encode(), 9)),
    }


def write_text(path: Path, encoder: TextEncoder, tokenizer: Tokenizer) -> None:
    """Writes the text encoder alone to the file at `path`, in half precision."""
    write_tensors(path, text_tensors(encoder, tokenizer), {"format": FORMAT})


def _tensor(data: bytes) -> UInt8[Tensor, " n"]:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def _tensor_bytes(path: Path, header: Header, name: str, most: int) -> bytes:
    """The bytes in the tensor called `name`; ConfigError unless it is U8 with at most `most`."""
    if name not in header.tensors:
        raise ConfigError(f"no {name}")
    dtype, shape = header.tensors[name]
    if dtype != torch.uint8 or len(shape) != 1 or shape[0] > most:
        raise ConfigError(f"{name} must be at most {most} bytes of U8")
    return read_tensors(path, prefix=name)[""].numpy().tobytes()


def _text_config(values: object) -> TextConfig:
    names = [field.name for field in fields(TextConfig)]
    if not isinstance(values, dict) or set(values) != set(names):
        raise ConfigError(f"settings must be exactly {', '.join(names)}")
    match values.pop("words"):
        case [*bands] if 0 < len(bands) <= 16 and all(map(_is_band, bands)):
            words = tuple((rows, rank) for rows, rank in bands)
        case _:
            raise ConfigError("words must be 1 to 16 pairs of rows and rank")
    for name, value in values.items():
        if type(value) is not int or not 0 < value <= 100_000:
            raise ConfigError(f"{name} must be a whole number from 1 to 100000")
    return TextConfig(words=words, **values)


def _is_band(band: object) -> bool:
    match band:
        case [int(rows), int(rank)]:
            return 0 < rows <= 100_000 and 0 < rank <= 100_000
    return False
