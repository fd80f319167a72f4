import json
import zlib

import pytest
import torch

from sora_core.checkpoints import text_file
from sora_core.checkpoints.safetensors_io import write_tensors
from sora_core.checkpoints.text_file import (
    TEXT_SETTINGS,
    VOCABULARY_KEY,
    holds_text,
    load_text,
    text_tensors,
    write_text,
)
from sora_core.errors import WeightsError
from sora_core.models.text_encoder import TextConfig, TextEncoder, encode
from sora_core.models.tokenizer import SPECIAL, Tokenizer

CONFIG = TextConfig(
    words=((100, 8), (20, 4)),
    width=16,
    hidden=24,
    depth=2,
    heads=2,
    qkv_rank=4,
    out_rank=4,
    up_rank=16,
    down_rank=4,
)


@pytest.fixture
def small():
    torch.manual_seed(0)
    pieces = [SPECIAL.get(i, f"word{i}") for i in range(CONFIG.vocabulary)]
    return TextEncoder(CONFIG), Tokenizer(pieces)


def as_bytes(data: bytes):
    return torch.tensor(list(data), dtype=torch.uint8)


def test_what_is_written_is_read_back_in_half_precision(small, tmp_path):
    path = tmp_path / "text.safetensors"
    write_text(path, *small)
    encoder, tokenizer = load_text(path)
    assert encoder.config == CONFIG and tokenizer.vocabulary == small[1].vocabulary
    for name, tensor in small[0].state_dict().items():
        assert torch.equal(encoder.state_dict()[name], tensor.half().float())


def test_a_model_file_uses_its_own_text_encoder(small, tmp_path):
    path = tmp_path / "model.safetensors"
    write_tensors(path, {"transformer.weight": torch.zeros(3)} | text_tensors(*small))
    assert holds_text(path) and load_text(path)[0].config == CONFIG


def test_a_model_file_without_one_uses_the_one_that_ships(small, tmp_path, monkeypatch):
    shipped, model = tmp_path / "shipped.safetensors", tmp_path / "model.safetensors"
    write_text(shipped, *small)
    write_tensors(model, {"transformer.weight": torch.zeros(3)})
    monkeypatch.setattr(text_file, "SHIPPED_TEXT_ENCODER", shipped)
    assert load_text(model)[0].config == CONFIG


def test_the_states_are_of_the_width_of_the_file(small, tmp_path):
    write_text(tmp_path / "text.safetensors", *small)
    found = encode(*load_text(tmp_path / "text.safetensors"), ["word1 word119", ""])
    assert found.states.shape == (2, 4, 16)
    assert found.states.isfinite().all()


def settings(**changes):
    fields = {name: getattr(CONFIG, name) for name in CONFIG.__dataclass_fields__}
    return as_bytes(json.dumps(fields | changes).encode())


DAMAGES = {
    "no vocabulary": {VOCABULARY_KEY: None},
    "a lost weight": {"text.blocks.0.attn.qkv.0.weight": None},
    "an unknown weight": {"text.more": torch.zeros(2)},
    "a weight of another shape": {"text.positions.weight": torch.zeros(3, 3)},
    "a weight of whole numbers": {"text.norm.weight": torch.ones(16, dtype=torch.int32)},
    "a weight without end": {"text.norm.weight": torch.full((16,), torch.inf)},
    "settings that are no JSON": {TEXT_SETTINGS: as_bytes(b"{")},
    "settings that are a list": {TEXT_SETTINGS: as_bytes(b"[]")},
    "settings that are floats": {TEXT_SETTINGS: torch.zeros(4)},
    "nested settings": {TEXT_SETTINGS: as_bytes(b"[" * 9000)},
    "a setting too many": {TEXT_SETTINGS: settings(more=1)},
    "a negative depth": {TEXT_SETTINGS: settings(depth=-1)},
    "a depth of half": {TEXT_SETTINGS: settings(depth=1.5)},
    "a depth of millions": {TEXT_SETTINGS: settings(depth=99_999)},
    "a width of millions": {TEXT_SETTINGS: settings(width=99_998)},
    "a rank of millions": {TEXT_SETTINGS: settings(out_rank=99_999)},
    "heads that do not fit": {TEXT_SETTINGS: settings(heads=3)},
    "no words": {TEXT_SETTINGS: settings(words=[])},
    "words that are numbers": {TEXT_SETTINGS: settings(words=[3])},
    "words of true": {TEXT_SETTINGS: settings(words=[[True, 4]])},
    "a word table of millions": {TEXT_SETTINGS: settings(words=[[99_999, 99_999]])},
    "a vocabulary of other length": {VOCABULARY_KEY: as_bytes(zlib.compress(b"a\nb"))},
    "a vocabulary that is not packed": {VOCABULARY_KEY: as_bytes(b"a\nb")},
    "a vocabulary that is no text": {VOCABULARY_KEY: as_bytes(zlib.compress(b"\xff\xfe"))},
    "a vocabulary that never ends": {VOCABULARY_KEY: as_bytes(zlib.compress(bytes(50_000_000)))},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_refused_in_one_short_sentence(damage, small, tmp_path):
    tensors = {k: v for k, v in (text_tensors(*small) | damage).items() if v is not None}
    write_tensors(tmp_path / "text.safetensors", tensors)
    with pytest.raises(WeightsError, match=r"text\.safetensors") as refused:
        load_text(tmp_path / "text.safetensors")
    assert len(str(refused.value)) <= 260 and "\n" not in str(refused.value)
