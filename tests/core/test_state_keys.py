"""Files written before parameters were renamed load as they are; new files have the new names."""

import pytest
import torch
from torch import nn

from sora_core.checkpoints import state_keys
from sora_core.checkpoints.safetensors_io import load_into, read_tensors, write_tensors
from sora_core.checkpoints.state_keys import current_key, current_keys
from sora_core.errors import WeightsError


@pytest.fixture
def renamed(monkeypatch):
    monkeypatch.setattr(state_keys, "RENAMED", ((r"^old\.", "new."), (r"\.w$", ".weight")))


def test_a_name_of_today_stays_as_it_is(renamed):
    assert current_key("new.weight") == "new.weight"
    assert current_key(current_key("old.w")) == current_key("old.w") == "new.weight"


def test_old_names_load_under_the_current_ones(renamed, tmp_path):
    write_tensors(tmp_path / "a", {"x.old.w": torch.ones(2, 3), "x.old.bias": torch.zeros(2)})
    module = nn.ModuleDict({"new": nn.Linear(3, 2)})
    load_into(module, tmp_path / "a", "x.")
    assert torch.equal(module["new"].weight, torch.ones(2, 3))
    assert sorted(read_tensors(tmp_path / "a", prefix="x.")) == ["new.bias", "new.weight"]


def test_a_tensor_under_both_names_is_refused(renamed, tmp_path):
    with pytest.raises(WeightsError, match="same tensor"):
        current_keys(["old.w", "new.weight"])
    write_tensors(tmp_path / "a", {"old.w": torch.ones(1), "new.weight": torch.ones(1)})
    with pytest.raises(WeightsError, match="same tensor"):
        read_tensors(tmp_path / "a")
