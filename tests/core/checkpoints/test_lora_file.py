"""A file of a LoRA that is damaged, or for another model, is refused by name."""

import json

import pytest
import torch

from sora_core.checkpoints.lora_file import FEW_STEPS_KEY, merge_lora, read_few_steps
from sora_core.checkpoints.safetensors_io import write_tensors
from sora_core.errors import WeightsError
from tests.support.tiny import tiny_transformer

LAYER = "blocks.0.qkv"
WIDTH = tiny_transformer().config.width


def lora(tmp_path, down=(4, WIDTH), up=(3 * WIDTH, 4), layer=LAYER, alpha=None):
    name = f"diffusion_model.{layer}"
    tensors = {
        f"{name}.lora_A.weight": torch.full(down, 0.5),
        f"{name}.lora_B.weight": torch.full(up, 0.25),
    }
    if alpha is not None:
        tensors[f"{name}.alpha"] = alpha
    path = tmp_path / "lora.safetensors"
    write_tensors(path, tensors)
    return path


def test_the_product_is_added_times_strength_and_alpha_over_rank(tmp_path):
    dit = tiny_transformer()
    before = dit.get_parameter(f"{LAYER}.weight").clone()
    merge_lora(dit, lora(tmp_path, alpha=torch.tensor(8.0)), strength=0.5)
    added = dit.get_parameter(f"{LAYER}.weight") - before
    torch.testing.assert_close(added, torch.full_like(added, 0.5 * 8 / 4 * (4 * 0.5 * 0.25)))


@pytest.mark.parametrize("other", [
    {"down": (4, 1), "up": (3 * WIDTH, 4)},
    {"down": (4, WIDTH), "up": (1, 4)},
    {"down": (4, 3 * WIDTH), "up": (WIDTH, 4)},
    {"down": (4, WIDTH), "up": (3 * WIDTH, 5)},
    {"down": (WIDTH,), "up": (3 * WIDTH, WIDTH)},
    {"down": (), "up": ()},
    {"down": (0, WIDTH), "up": (3 * WIDTH, 0)},
    {"layer": "blocks.99.qkv"},
    {"alpha": torch.ones(2)},
])  # fmt: skip
def test_a_lora_of_other_shapes_is_refused_and_changes_nothing(tmp_path, other):
    dit = tiny_transformer()
    before = dit.get_parameter(f"{LAYER}.weight").clone()
    with pytest.raises(WeightsError, match=r"lora\.safetensors.*does not fit this model"):
        merge_lora(dit, lora(tmp_path, **other))
    assert torch.equal(dit.get_parameter(f"{LAYER}.weight"), before)


@pytest.mark.parametrize("settings", [
    "", "[" * 50_000, "[]", "{}", '{"steps": 4}', '{"steps": 0, "guidance": 1.0}',
    '{"steps": 1e999, "guidance": 1.0}', '{"steps": 1000000, "guidance": 1.0}',
    '{"steps": 4, "guidance": NaN}', '{"steps": "4", "guidance": 1.0}',
    json.dumps({"steps": 4, "guidance": 1.0, "sampler": "heun"}),
])  # fmt: skip
def test_damaged_settings_for_few_steps_are_refused(tmp_path, settings):
    path = tmp_path / "few.safetensors"
    write_tensors(path, {"x": torch.zeros(1)}, {FEW_STEPS_KEY: settings})
    with pytest.raises(WeightsError, match=r"few\.safetensors.*sora_few_steps"):
        read_few_steps(path)
