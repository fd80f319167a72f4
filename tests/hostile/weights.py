"""Damaged model files through every loader: read, refused in a sentence, or a raw error.

`python -m tests.hostile.weights --count 10000` damages a tiny model, a text encoder, a captioner
and a classifier in three ways: bytes of the file, values of the JSON of its header, and values of
the settings that the header or a tensor holds. Exit code 1 where any call ends in an error that is
no sentence, takes over `SECONDS`, or lets the process grow by more than `MEMORY`.
"""

import argparse
import json
import random
import resource
import struct
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan
from pathlib import Path
from time import process_time

import torch

from sora_core.checkpoints.captioner_file import CAPTIONER_PATH, load_captioner
from sora_core.checkpoints.checkpoint import load_autoencoder, load_transformer, read_config
from sora_core.checkpoints.safetensors_io import read_header, read_tensors
from sora_core.checkpoints.text_file import (
    SHIPPED_TEXT_ENCODER,
    read_text_config,
    read_text_weights,
)
from sora_core.errors import WeightsError
from sora_core.measure.classifier import CLASSIFIER_PATH, load_classifier
from sora_core.models.text_encoder import TextEncoder
from tests.support.tiny import write_tiny

SECONDS = 5.0  # of the processor, for one file
MEMORY = 600  # MiB that all files together may add to the peak
READ, REFUSED, RAW = "read", "refused in a sentence", "raw error"

ODD = [
    None, True, -1, 0, 1, 7, 2**31, 2**63, 10**30, 0.5, nan, inf, "", "x", "\0", "a" * 5000, [],
    [[]], [1, 2], ["a"], {}, {"a": 1}, [[[[[[[[1]]]]]]]], -0.0, 1e308, "F33", "I64", "../x",
]  # fmt: skip
"""Values that are put in place of others in JSON."""


@dataclass(frozen=True)
class Kind:
    """A kind of model file: its bytes, and what loads it."""

    content: bytes
    load: Callable[[Path], object]


def load_model_file(path: Path) -> None:
    """Reads all of a model file, as Sora Load Model does."""
    config = read_config(path)
    load_transformer(path, config)
    load_autoencoder(path, config)


def load_text_file(path: Path) -> None:
    config, _ = read_text_config(path)
    with torch.device("meta"):
        encoder = TextEncoder(config)
    read_text_weights(path, encoder)


def kinds(folder: Path) -> dict[str, Kind]:
    """The four kinds of model files that the pack reads."""
    return {
        "model": Kind(write_tiny(folder).read_bytes(), load_model_file),
        "text encoder": Kind(SHIPPED_TEXT_ENCODER.read_bytes(), load_text_file),
        "captioner": Kind(CAPTIONER_PATH.read_bytes(), load_captioner),
        "classifier": Kind(CLASSIFIER_PATH.read_bytes(), load_classifier),
    }


def damaged(content: bytes, rng: random.Random) -> bytes:
    """`content` with bytes, header or settings changed."""
    match rng.randrange(4):
        case 0:
            return with_bytes(content, rng)
        case 1:
            return with_header(content, rng, lambda header: change(header, rng))
        case _:
            return with_header(content, rng, lambda header: change_settings(header, rng))


def with_bytes(content: bytes, rng: random.Random) -> bytes:
    """`content` with a few bytes changed, most of them in the header; or cut short."""
    header = 8 + struct.unpack("<Q", content[:8])[0]
    if rng.random() < 0.15:
        return content[: rng.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(header if rng.random() < 0.8 else len(content))
        changed[at] = rng.choice((changed[at] ^ (1 << rng.randrange(8)), rng.randrange(256)))
    return bytes(changed)


def with_header(content: bytes, rng: random.Random, edit: Callable[[dict], object]) -> bytes:
    """`content` with its header changed by `edit`."""
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    edit(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def change(table: object, rng: random.Random) -> None:
    """Puts an odd value, another value of the table, or nothing, somewhere into a JSON table."""
    inner = table
    for _ in range(rng.randrange(6)):
        values = [*(inner.values() if isinstance(inner, dict) else inner)]
        deeper = [value for value in values if isinstance(value, dict | list) and value]
        if not deeper:
            break
        inner = rng.choice(deeper)
    places = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
    place = rng.choice(places)
    match rng.randrange(5):
        case 0 if isinstance(inner, dict):
            del inner[place]
        case 1:
            inner[place] = inner[rng.choice(places)]
        case 2 if isinstance(inner, dict):
            inner[rng.choice(("x", "\0", "settings.json", "config"))] = inner[place]
        case _:
            inner[place] = rng.choice(ODD)


def change_settings(header: dict, rng: random.Random) -> None:
    """Changes the JSON texts of the header's metadata from within."""
    metadata = header.get("__metadata__") or {}
    name = rng.choice([*metadata] or [""])
    try:
        settings = json.loads(metadata[name])
    except (KeyError, ValueError):
        change(header, rng)
        return
    if isinstance(settings, dict | list) and settings:
        change(settings, rng)
    else:
        settings = rng.choice(ODD)
    metadata[name] = json.dumps(settings)


def outcome(kind: Kind, path: Path) -> tuple[str, str]:
    """What becomes of the file at `path`, and a line about it where that is wrong."""
    begun = process_time()
    try:
        for load in (kind.load, read_header, read_tensors):
            load(path)
        result = READ, ""
    except WeightsError as error:
        message = str(error)
        fine = len(message) <= 200 and "\n" not in message and path.name in message
        result = (REFUSED, "") if fine else (RAW, f"no sentence: {message[:200]!r}")
    except Exception as error:
        result = RAW, f"{type(error).__name__}: {str(error)[:100]!r}"
    spent = process_time() - begun
    return result if spent < SECONDS else (RAW, f"took {spent:.1f} s")


def peak() -> float:
    """The most memory of this process, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    outcomes: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        files = kinds(Path(folder))
        path = Path(folder) / "damaged.safetensors"
        for name, kind in files.items():
            path.write_bytes(kind.content)
            if (got := outcome(kind, path))[0] != READ:
                print(f"the undamaged {name} is not read: {got}")
                return 2
        before = peak()
        for _ in range(asked.count):
            name = rng.choice(list(files))
            path.write_bytes(damaged(files[name].content, rng))
            end, detail = outcome(files[name], path)
            outcomes[end] += 1
            if end == RAW:
                faults[f"{name}: {detail}"] += 1
    for fault, count in faults.most_common(30):
        print(f"{count} x {fault}")
    grown = peak() - before
    counts = ", ".join(f"{outcomes[end]} {end}" for end in (READ, REFUSED, RAW))
    print(f"weights {asked.count} files: {counts}; the peak of memory rose by {grown:.0f} MiB")
    return int(bool(outcomes[RAW]) or grown > MEMORY)


if __name__ == "__main__":
    raise SystemExit(main())
