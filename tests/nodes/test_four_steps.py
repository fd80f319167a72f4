"""Sora Load Model adds the LoRA for four steps to sora-mini, and to no other model."""

import pytest
import torch
from sora_nodes.nodes.loaders import STEP_LORAS, SoraLoadModel
from sora_nodes.sora_core.errors import ConfigError
from sora_nodes.sora_core.pipeline.generate import MODELS, SHIPPED, load

from tests.support.tiny import write_tiny

CHOICE = "4 steps"


def test_the_patched_model_predicts_what_the_merged_one_does():
    model = SoraLoadModel.execute(SHIPPED, few_steps=CHOICE).args[0]
    merged = load(lora=MODELS / STEP_LORAS[CHOICE]).transformer
    plain = load().transformer
    torch.manual_seed(0)
    x, text, sigma = torch.randn(1, 16, 2, 8, 8), torch.randn(1, 3, 384), 0.5
    level = torch.full((1, 1, 1, 1, 1), sigma)
    model.patch_model()
    try:
        with torch.inference_mode():
            velocity = model.model.diffusion_model(x, torch.full((1,), 1000 * sigma), text)
            wanted, before = ((x - dit(x, level, text)) / sigma for dit in (merged, plain))
    finally:
        model.unpatch_model()
    error = (velocity - wanted).abs().max() / (wanted - before).abs().max()
    assert error < 0.01


def test_without_it_the_model_is_as_before():
    model = SoraLoadModel.execute(SHIPPED).args[0]
    assert not model.patches


def test_it_is_refused_for_another_model(tmp_path, monkeypatch):
    import folder_paths

    path = write_tiny(tmp_path)
    monkeypatch.setitem(
        folder_paths.folder_names_and_paths, "diffusion_models", ([str(tmp_path)], {".safetensors"})
    )
    with pytest.raises(ConfigError, match=rf"few_steps 4 steps is a LoRA of {SHIPPED}"):
        SoraLoadModel.execute(path.name, few_steps=CHOICE)


def test_another_choice_names_the_input():
    with pytest.raises(ConfigError, match="few_steps"):
        SoraLoadModel.execute(SHIPPED, few_steps="7 steps")
