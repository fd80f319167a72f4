"""Weights that are malformed, and weights that are well-formed and wrong."""

import json
import random
import struct
import subprocess
import sys
from math import inf, nan, prod
from pathlib import Path
from time import process_time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from sora_core.checkpoints.safetensors_io import MAX_HEADER, load_into, read_tensors, write_tensors
from sora_core.errors import WeightsError

MALFORMED = 2000
SIZES = {"BOOL": 1, "U8": 1, "F8_E4M3": 1, "I16": 2, "F16": 2, "I32": 4, "F32": 4, "I64": 8}


def table(text, values=b""):
    return struct.pack("<Q", len(text)) + text + values


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def claim(entries, values=b""):
    return table(json.dumps(entries).encode(), values)


def one(values=b"\0" * 8, **changes):
    return claim({"w": entry([2], 0, 8) | changes}, values)


def empty_tensors(count):
    empty = json.dumps(entry([0], 0, 0)).encode()
    return table(b"{" + b", ".join(b'"t%d": %b' % (i, empty) for i in range(count)) + b"}")


GOOD = claim(
    {
        "__metadata__": {"config": "{}"},
        "b.weight": entry([2, 2], 0, 16),
        "b.bias": entry([2], 16, 24),
        "steps": entry([], 24, 32, "I64"),
    },
    bytes(32),
)

PLAIN = json.dumps(entry([2], 0, 8)).encode()

CRAFTED = {
    "no bytes": b"",
    "seven bytes": GOOD[:7],
    "huge length": b"\xff" * 8 + GOOD[8:],
    "length over the file": struct.pack("<Q", len(GOOD)) + GOOD[8:],
    "length over the limit": struct.pack("<Q", 10**8) + GOOD[8:],
    "zero length": struct.pack("<Q", 0) + GOOD[8:],
    "short length": struct.pack("<Q", 20) + GOOD[8:],
    "not JSON": table(b"hello world"),
    "not UTF-8": table(b'{"\xff\xfe": 1}'),
    "an array": table(b"[1, 2]"),
    "a null": table(b"null"),
    "overlap": claim({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),
    "the same bytes twice": claim({"a": entry([2], 0, 8), "b": entry([2], 0, 8)}, bytes(8)),
    "hole": claim({"a": entry([2], 0, 8), "b": entry([2], 12, 20)}, bytes(20)),
    "leading hole": claim({"a": entry([2], 8, 16)}, bytes(16)),
    "trailing bytes": GOOD + b"x",
    "truncated": GOOD[:-1],
    "values missing": one(b""),
    "negative offset": one(data_offsets=[-8, 0]),
    "offsets turned": one(data_offsets=[8, 0]),
    "three offsets": one(data_offsets=[0, 4, 8]),
    "offset as a fraction": one(data_offsets=[0, 8.0]),
    "offset as a truth": one(shape=[], data_offsets=[False, 4], values=bytes(4)),
    "negative shape": one(shape=[-2]),
    "two negatives": one(shape=[-2, -1]),
    "shape overflow": one(shape=[2**32, 2**32]),
    "shape overflow to the right size": one(shape=[2**62 + 1, 2]),
    "shape beyond 64 bits": one(shape=[2**64 + 2]),
    "shape of 5000 digits": table(b'{"w":{"dtype":"F32","shape":[' + b"9" * 5000 + b"]}}"),
    "shape lie": one(shape=[3]),
    "shape as text": one(shape="2"),
    "nine dimensions": one(shape=[1] * 8 + [2]),
    "unknown dtype": one(dtype="F33"),
    "sub-byte dtype": one(dtype="F4", shape=[16]),
    "dtype as a number": one(dtype=32),
    "no dtype": claim({"w": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
    "one key too many": one(more=1),
    "entry as a list": claim({"w": [0, 8]}, bytes(8)),
    "metadata of numbers": claim({"__metadata__": {"a": 1}}),
    "metadata as a list": claim({"__metadata__": ["a"]}),
    "nested metadata": claim({"__metadata__": {"a": {"b": "c"}}}),
    "deep lists": table(b"[" * 100_000),
    "deep tables": table(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "duplicate key": table(b'{"w":%b,"w":%b}' % (PLAIN, PLAIN), bytes(8)),
    "duplicate metadata": table(b'{"__metadata__":{},"__metadata__":{}}'),
    "duplicate shape": table(b'{"w":{"shape":[9],%b}' % PLAIN[1:] + b"}", bytes(8)),
    "name that climbs": claim({"../../x": entry([2], 0, 8)}, bytes(8)),
    "name with dots": claim({"a..b": entry([2], 0, 8)}, bytes(8)),
    "name with a null": claim({"a\0b": entry([2], 0, 8)}, bytes(8)),
    "name with a line end": claim({"a\n": entry([2], 0, 8)}, bytes(8)),
    "empty name": claim({"": entry([2], 0, 8)}, bytes(8)),
    "long name": claim({"a" * 201: entry([2], 0, 8)}, bytes(8)),
    "NaN in the header": table(b'{"w":NaN}'),
    "NaN value": one(struct.pack("<2f", 0, nan)),
    "infinite value": one(struct.pack("<2f", inf, 0)),
    "200,000 empty tensors": empty_tensors(200_000),
    "20,001 empty tensors": empty_tensors(20_001),
}  # fmt: skip

LARGEST = {
    "numbered": lambda: table(b"{" + b",".join(b'"%d":{}' % i for i in range(99_000)) + b"}"),
    "lists": lambda: table(b"[" + b"[]," * ((MAX_HEADER - 4) // 3) + b"1]"),
    "tables": lambda: table(b"[" + b"{}," * ((MAX_HEADER - 4) // 3) + b"1]"),
    "numbers": lambda: table(b'{"w":[' + b"7," * ((MAX_HEADER - 10) // 2) + b"1]}"),
    "names": lambda: table(b"{" + b",".join(b'"%d":0' % i for i in range(350_000)) + b"}"),
    "one name": lambda: table(b"{" + b'"a":0,' * ((MAX_HEADER - 10) // 6) + b'"b":0}'),
    "colons": lambda: table(b'{"w":' + b" " * (MAX_HEADER - 10) + b"1}"),
}


def is_refused(path, content):
    """Whether `content` is refused as promised; if it is not, it is what the library reads."""
    path.write_bytes(content)
    start = process_time()
    try:
        found = read_tensors(path)
    except WeightsError as refused:
        assert process_time() - start < 1
        assert len(str(refused)) <= 200
        assert path.name in str(refused)
        return True
    known = load_file(path)
    assert found.keys() == known.keys()
    assert all(torch.equal(found[name], known[name]) for name in known)
    return False


@pytest.mark.parametrize("name", [*CRAFTED, *LARGEST])
def test_a_crafted_file_is_refused(tmp_path, name):
    content = CRAFTED[name] if name in CRAFTED else LARGEST[name]()
    assert is_refused(tmp_path / "a.safetensors", content)


def test_the_file_that_the_others_spoil_is_read(tmp_path):
    assert not is_refused(tmp_path / "a.safetensors", GOOD)


def mutated(content, rng):
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(content))
        match rng.randrange(6):
            case 0:
                content[at] ^= 1 << rng.randrange(8)
            case 1:
                content[at] = rng.choice(b'{}[]",:0123456789-.eE\\ \0\xff')
            case 2:
                del content[at : at + rng.randrange(1, 9)]
            case 3:
                content[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 4:
                content[at:at] = content[at // 2 : at // 2 + rng.randrange(1, 40)]
            case 5:
                del content[at:]
        if not content:
            break
    if len(content) > 8 and rng.random() < 0.5:  # past the length, so that the parser sees it
        content[:8] = struct.pack("<Q", min(len(content) - 8, len(GOOD) - 40))
    return bytes(content)


@pytest.mark.slow
def test_mutated_and_random_files_are_refused_or_are_what_the_library_reads(tmp_path):
    rng = random.Random(0)
    path = tmp_path / "a.safetensors"
    refused = tried = 0
    while refused < MALFORMED:
        tried += 1
        random_bytes = rng.randbytes(rng.randrange(200))
        content = table(random_bytes) if rng.random() < 0.5 else random_bytes
        refused += is_refused(path, content if rng.random() < 0.1 else mutated(GOOD, rng))
    print(f"\nmalformed_weights {refused} refused of {tried} mutated, the rest well-formed")
    print(f"malformed_weights {len(CRAFTED) + len(LARGEST)} refused of as many crafted")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
SOUND = {"dtype": st.sampled_from(list(SIZES)), "shape": st.lists(st.integers(0, 3), max_size=3)}
ENTRY = st.fixed_dictionaries(
    {key: st.one_of(sound, JSON) for key, sound in SOUND.items()}
    | {"data_offsets": st.lists(st.integers(-1, 20), min_size=2, max_size=2) | JSON}
)


@pytest.mark.slow
@given(
    st.dictionaries(st.sampled_from(["a", "b", "__metadata__", "a..b"]), ENTRY | JSON),
    st.integers(0, 20),
)
@settings(max_examples=300, deadline=None)
def test_any_header_is_refused_or_is_what_the_library_reads(tmp_path_factory, entries, capacity):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    is_refused(path, claim(entries, bytes(capacity)))


MEMORY = """
import sys
from pathlib import Path
from sora_core.errors import WeightsError
from sora_core.checkpoints.safetensors_io import read_header

def kibibytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])

for path in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is held
    before = kibibytes("VmRSS")
    try:
        read_header(Path(path))
    except WeightsError:
        print(kibibytes("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads Linux's counters")
def test_the_largest_headers_take_less_than_200_mib(tmp_path):
    for name, content in LARGEST.items():
        (tmp_path / name).write_bytes(content())
    command = [sys.executable, "-c", MEMORY, *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    peaks = [int(line) / 1024 for line in done.stdout.split()]
    print(f"\nmalformed_weights_memory {max(peaks):.0f} MiB")
    assert len(peaks) == len(LARGEST)
    assert 5 < max(peaks) < 200


# Well-formed, but not the weights of this model.


def model():
    parts = {
        "patch": nn.Linear(4, 3),
        "blocks": nn.ModuleList([nn.Linear(3, 3)]),
        "head": nn.Linear(3, 2),
    }
    return nn.ModuleDict(parts)


def with_value(value):
    def change(name, tensor):
        tensor = tensor.clone()
        tensor.view(-1)[-1] = value
        return {name: tensor}

    return change


def as_kind(dtype):
    return lambda name, tensor: {name: tensor.to(dtype)}


WRONG = {
    "NaN": with_value(nan),
    "infinity": with_value(inf),
    "minus infinity": with_value(-inf),
    "missing": lambda name, tensor: {},
    "renamed": lambda name, tensor: {f"{name}_old": tensor},
    "extra": lambda name, tensor: {name: tensor, f"{name}_extra": tensor},
    "one more dimension": lambda name, tensor: {name: tensor[None]},
    "flat and longer": lambda name, tensor: {name: torch.zeros(tensor.numel() + 1)},
    "empty": lambda name, tensor: {name: tensor[:0]},
    "whole numbers": as_kind(torch.int64),
    "bytes": as_kind(torch.uint8),
    "truths": as_kind(torch.bool),
}


NAMES = tuple(model().state_dict())


@pytest.mark.parametrize("first", range(len(NAMES)), ids=NAMES.__getitem__)
@pytest.mark.parametrize("kind", WRONG)
def test_wrong_weights_are_refused_and_the_first_wrong_tensor_is_named(tmp_path, kind, first):
    """All tensors from the first on are wrong, in the order of the model or else of the file."""
    state = model().state_dict()
    tensors = {}
    for i, name in enumerate(NAMES):
        tensors |= WRONG[kind](name, state[name]) if i >= first else {name: state[name]}
    write_tensors(
        tmp_path / "a", {f"transformer.{name}": tensor for name, tensor in tensors.items()}
    )
    extra = f"{min(NAMES[first:])}_extra"
    assert_refused(tmp_path / "a", extra if kind == "extra" else NAMES[first])


RAW = {
    "duplicate": lambda entries, name: [*entries, (name, entries[0][1])],
    "climbing name": lambda entries, name: [(k.replace(name, f"../{name}"), v) for k, v in entries],
    "8-bit floats": lambda entries, name: recast(entries, name, "F8_E4M3"),
    "4-bit floats": lambda entries, name: recast(entries, name, "F4"),
    "64-bit complex": lambda entries, name: recast(entries, name, "C64"),
}


def recast(entries, name, dtype):
    return [(k, v | {"dtype": dtype} if k == name else v) for k, v in entries]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", RAW)
def test_wrong_headers_are_refused_and_the_tensor_is_named(tmp_path, kind, name):
    entries, end = [], 0
    for key, tensor in sorted(model().state_dict().items()):
        begin, end = end, end + 4 * prod(tensor.shape)
        entries.append((f"transformer.{key}", entry(list(tensor.shape), begin, end)))
    entries = RAW[kind](entries, f"transformer.{name}")
    text = ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in entries)
    (tmp_path / "a").write_bytes(table(f"{{{text}}}".encode(), bytes(end)))
    assert_refused(tmp_path / "a", name)


def assert_refused(path, named):
    module = model()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(WeightsError) as refused:
        load_into(module, path, "transformer.")
    assert f"transformer.{named}'" in str(refused.value)
    assert len(str(refused.value)) <= 200
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_the_weights_that_the_others_spoil_are_loaded(tmp_path):
    state = model().state_dict()
    write_tensors(tmp_path / "a", {f"transformer.{name}": tensor for name, tensor in state.items()})
    module = model()
    load_into(module, tmp_path / "a", "transformer.")
    assert all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())
    print(f"\nwrong_weights {(len(WRONG) + len(RAW)) * len(NAMES)} cases")
