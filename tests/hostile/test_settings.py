"""Settings inside model files are checked before memory is taken or anything is built."""

import json
import random
import resource

import pytest
import torch

from sora_core.checkpoints.captioner_file import CAPTIONER_PATH, load_captioner
from sora_core.checkpoints.checkpoint import MAX_SETTINGS, SETTINGS, read_config, settings_tensor
from sora_core.checkpoints.safetensors_io import read_header, read_tensors, write_tensors
from sora_core.errors import WeightsError
from sora_core.measure.classifier import CLASSIFIER_PATH, load_classifier
from tests.support.tiny import write_tiny

NUMBER = (3_000_000_000).to_bytes(8, "little")
GOOD = json.dumps({"format": "sora 1", "config": None}).encode()
VALUES = [None, True, -1, 0, 1.5, 10**9, 10**30, "", "x", [], {}, [[1]], {"a": 1}, "NaN", "\ud800"]


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def file_of(path, dtype, shape, values, size=None):
    """A file of one tensor called `SETTINGS`; with `size`, of so many zeros that take no disk."""
    size = len(values) if size is None else size
    entry = {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}
    header = json.dumps({"__metadata__": {}, SETTINGS: entry}).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header + values)
        file.truncate(8 + len(header) + size)
    return path


@pytest.mark.parametrize(("dtype", "shape", "values"), [
    ("U8", [1, len(GOOD)], GOOD), ("F32", [1], b"\0\0\0\x3f"), ("I64", [], NUMBER),
    ("I64", [1], NUMBER), ("U8", [len(GOOD)], GOOD), ("U8", [0], b""), ("BOOL", [2], b"\1\0"),
    ("U8", [4], b"null"), ("U8", [2], b"[]"), ("U8", [6], b"\xff\xfe{}[]"),
])  # fmt: skip
def test_settings_that_are_no_text_are_refused_for_free(tmp_path, dtype, shape, values):
    before = peak()
    with pytest.raises(WeightsError) as refusal:
        read_config(file_of(tmp_path / "a.safetensors", dtype, shape, values))
    assert len(str(refusal.value)) <= 200
    assert peak() - before < 20


def test_settings_of_a_hundred_megabytes_are_refused_for_free(tmp_path):
    path = file_of(tmp_path / "a.safetensors", "U8", [100_000_000], b"", 100_000_000)
    before = peak()
    with pytest.raises(WeightsError):
        read_config(path)
    assert peak() - before < 20


def test_settings_as_a_tensor_are_those_that_were_written(tmp_path):
    path = write_tiny(tmp_path)
    config = read_config(path)
    copy = tmp_path / "copy.safetensors"
    assert settings_tensor(config).numel() < MAX_SETTINGS
    write_tensors(copy, read_tensors(path) | {SETTINGS: settings_tensor(config)}, {})
    assert read_config(copy) == config


@pytest.mark.parametrize(("shipped", "load", "keys"), [
    (CAPTIONER_PATH, load_captioner, ("config", "words")),
    (CLASSIFIER_PATH, load_classifier, ("words",)),
])  # fmt: skip
def test_settings_of_the_small_models_end_in_a_model_or_a_sentence(tmp_path, shipped, load, keys):
    metadata = dict(read_header(shipped).metadata)
    path, dice = tmp_path / "a.safetensors", random.Random(0)
    texts = [json.dumps(value) for value in VALUES] + ["", "{", "[" * 900, "9" * 5000]
    if "config" in metadata:
        config = json.loads(metadata["config"])
        texts += [json.dumps(config | {name: value}) for name in config for value in VALUES]
    words = json.loads(metadata["words"])
    for _ in range(40):
        content = list(metadata["words"])
        for _ in range(dice.choice((1, 4))):
            content[dice.randrange(len(content))] = dice.choice('[]{}",:x0')
        texts.append("".join(content))
    for key in keys:
        for text in texts:
            write_tensors(path, {"x": torch.zeros(1)}, metadata | {key: text})
            with pytest.raises(WeightsError) as refusal:
                load(path)
            assert len(str(refusal.value)) <= 200 and str(refusal.value).isprintable()
    assert words and load(shipped) is not None
