"""LoRA files of other people: of another model, of another shape, damaged, or with more in them."""

import copy
import json

import pytest
import torch
from safetensors.torch import save_file

from sora_core.checkpoints.lora_file import (
    FEW_STEPS_KEY,
    HOST_PREFIX,
    FewSteps,
    merge_lora,
    read_few_steps,
)
from sora_core.errors import WeightsError
from sora_core.pipeline.generate import load
from tests.support.tiny import write_tiny

LAYER = f"{HOST_PREFIX}blocks.0.qkv"
RANK = 4


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return load(write_tiny(tmp_path_factory.mktemp("models"))).transformer


@pytest.fixture
def transformer(loaded):
    return copy.deepcopy(loaded)


def lora_of(transformer, layer=LAYER, **changed):
    height, width = transformer.get_parameter("blocks.0.qkv.weight").shape
    torch.manual_seed(0)
    tensors = {
        "lora_A.weight": torch.randn(RANK, width),
        "lora_B.weight": torch.randn(height, RANK),
        "alpha": torch.tensor(float(RANK)),
    }
    tensors |= {name.replace("__", "."): value for name, value in changed.items()}
    return {f"{layer}.{name}": value for name, value in tensors.items() if value is not None}


def written(path, tensors, metadata=None):
    save_file(tensors, str(path), metadata=metadata)
    return path


def test_a_lora_adds_its_product_and_nothing_else(transformer, tmp_path):
    tensors = lora_of(transformer)
    before = {name: weight.clone() for name, weight in transformer.named_parameters()}
    merge_lora(transformer, written(tmp_path / "a.safetensors", tensors))
    product = tensors[f"{LAYER}.lora_B.weight"] @ tensors[f"{LAYER}.lora_A.weight"]
    for name, weight in transformer.named_parameters():
        added = product if name == "blocks.0.qkv.weight" else 0
        torch.testing.assert_close(weight, before[name] + added)


SHAPES = {
    "rank 0": ((0, 1), (1, 0)),
    "one row, which would be added to all": ((RANK, 1), (None, RANK)),
    "two ranks": ((RANK, 1), (1, RANK + 1)),
    "another width": ((RANK, 2), (1, RANK)),
}


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_a_lora_of_another_shape_is_refused(transformer, tmp_path, shapes):
    height, width = transformer.get_parameter("blocks.0.qkv.weight").shape
    (rank, across), (down, other) = shapes
    tensors = lora_of(
        transformer,
        lora_A__weight=torch.ones(rank, across * width),
        lora_B__weight=torch.ones(1 if down is None else height, other),
    )
    with pytest.raises(WeightsError, match="does not fit this model"):
        merge_lora(transformer, written(tmp_path / "a.safetensors", tensors))


@pytest.mark.parametrize("alpha", [torch.ones(3), torch.ones(0)], ids=["three", "none"])
def test_an_alpha_is_one_number(transformer, tmp_path, alpha):
    path = written(tmp_path / "a.safetensors", lora_of(transformer, alpha=alpha))
    with pytest.raises(WeightsError, match="does not fit this model"):
        merge_lora(transformer, path)


def test_weights_stay_finite(transformer, tmp_path):
    path = written(tmp_path / "a.safetensors", lora_of(transformer, alpha=torch.tensor(3e38)))
    with pytest.raises(WeightsError, match=r"infinite: its alpha is 3e\+38"):
        merge_lora(transformer, path)


@pytest.mark.parametrize(
    "other",
    [
        f"{LAYER}.dora_scale",
        f"{LAYER}.diff_b",
        f"{HOST_PREFIX}blocks.0.out.lora_down.weight",
        "text_encoders.layers.0.lora_A.weight",
        "lora_unet_down_blocks_0_attentions_0.alpha",
        "base_model.model.blocks.0.qkv.lora_A.weight",
    ],
)
def test_what_would_be_ignored_is_refused(transformer, tmp_path, other):
    tensors = lora_of(transformer) | {other: torch.ones(1)}
    with pytest.raises(WeightsError, match="which is no LoRA of this transformer"):
        merge_lora(transformer, written(tmp_path / "a.safetensors", tensors))


SETTINGS = {
    "steps beyond every number": '{"steps": 1e400, "guidance": 1}',
    "guidance beyond every number": f'{{"steps": 4, "guidance": {"9" * 400}}}',
    "no number": '{"steps": 4, "guidance": NaN}',
    "brackets without end": "[" * 90_000,
    "no steps": json.dumps({"steps": 0, "guidance": 1}),
    "more steps than are sampled": json.dumps({"steps": 10**9, "guidance": 1}),
    "a part of a step": json.dumps({"steps": 4.5, "guidance": 1}),
    "a switch": json.dumps({"steps": True, "guidance": 1}),
    "a list": "[4, 1]",
    "nothing": "",
}


@pytest.mark.parametrize("text", SETTINGS.values(), ids=SETTINGS)
def test_damaged_settings_are_refused_in_a_sentence(tmp_path, text):
    path = written(tmp_path / "a.safetensors", {"a": torch.ones(1)}, {FEW_STEPS_KEY: text})
    with pytest.raises(WeightsError, match=rf"a\.safetensors.*({FEW_STEPS_KEY}|steps)"):
        read_few_steps(path)


def test_whole_settings_are_read(tmp_path):
    text = json.dumps({"steps": 4, "guidance": 1.5})
    path = written(tmp_path / "a.safetensors", {"a": torch.ones(1)}, {FEW_STEPS_KEY: text})
    assert read_few_steps(path) == FewSteps(steps=4, guidance=1.5)
