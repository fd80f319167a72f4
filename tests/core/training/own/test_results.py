"""Results of a run on own clips: a new transformer, a LoRA, a decoder."""

from dataclasses import replace

import pytest
import torch

from sora_core.checkpoints.checkpoint import load_autoencoder, load_transformer, read_config
from sora_core.checkpoints.lora_file import merge_lora
from sora_core.checkpoints.safetensors_io import read_tensors
from sora_core.training.distributed import Ranks
from sora_core.training.lora import add_lora
from sora_core.training.own.export import write_tuned
from tests.support.own_runs import GroupRuns, small_plan, small_settings, without_sheets


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The folder of a plan, a tiny model and the cache; and a way to run settings in it."""
    folder = tmp_path_factory.mktemp("own")
    return folder, GroupRuns(small_plan(folder), folder / "cache", {})


@pytest.mark.slow
def test_a_new_small_transformer_is_trained_beside_the_old_autoencoder(small):
    folder, group = small
    settings = small_settings(folder, fresh=(64, 1), steps=3)
    result = group.one(folder / "fresh", settings, Ranks())
    config = read_config(result.file)
    assert (config.transformer.width, config.transformer.depth) == (64, 1)
    assert load_transformer(result.file, config).blocks[0].qkv.in_features == 64
    before = read_tensors(folder / "tiny.safetensors", prefix="autoencoder.")
    after = read_tensors(result.file, prefix="autoencoder.")
    assert all(torch.equal(before[name].half(), after[name]) for name in before)
    assert group.one(folder / "fresh", replace(settings, steps=4), Ranks()).step == 4


def test_a_lora_has_the_names_of_peft_and_the_host_and_adds_up_to_the_trained_model(small):
    folder, group = small
    settings = small_settings(folder, lora_rank=4, lora_alpha=8.0)
    result = group.one(folder / "lora", settings, Ranks())
    tensors = read_tensors(result.file)
    assert len(tensors) == 2 * 8 * 3  # blocks, layers; lora_A, lora_B and alpha
    assert tensors["diffusion_model.blocks.1.cross_attn.key_value.lora_A.weight"].shape == (4, 64)
    assert tensors["diffusion_model.blocks.1.mlp.0.lora_B.weight"].shape == (256, 4)
    assert float(tensors["diffusion_model.blocks.0.qkv.alpha"]) == 8
    assert any(bool(tensors[name].any()) for name in tensors if "lora_B" in name)


def test_a_lora_merged_into_the_model_gives_what_the_trained_model_gives(small):
    folder, _ = small
    settings = small_settings(folder, lora_rank=4, lora_alpha=8.0)
    start = folder / "tiny.safetensors"
    config = read_config(start)
    thin = add_lora(load_transformer(start, config), 4, 8.0)
    x, sigma, text = torch.randn(1, 16, 2, 4, 4), torch.full((1, 1, 1, 1, 1), 0.5), torch.ones(
        1, 3, 384
    )  # fmt: skip
    plain = load_transformer(start, config)
    assert torch.equal(thin(x, sigma, text), plain(x, sigma, text))
    for name, weight in thin.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    weights = {f"dit.{k}": v for k, v in thin.named_parameters() if v.requires_grad}
    write_tuned(folder / "merged.safetensors", start, settings, weights)
    merged = merge_lora(load_transformer(start, config), folder / "merged.safetensors")
    with torch.no_grad():
        expected = thin(x, sigma, text)
        assert not torch.allclose(plain(x, sigma, text), expected, atol=1e-2)
        torch.testing.assert_close(merged(x, sigma, text), expected, atol=5e-3, rtol=5e-3)


@pytest.mark.slow
def test_a_trained_decoder_changes_no_latent(small):
    folder, group = small
    settings = without_sheets(folder, what="decoder", steps=4, optimizer="adamw")
    result = group.one(folder / "decoder", settings, Ranks())
    before, after = (
        load_autoencoder(path, read_config(path)) for path in
        (folder / "tiny.safetensors", result.file)
    )  # fmt: skip
    video = torch.rand(1, 3, 5, 32, 32) * 2 - 1
    assert torch.equal(before.encode(video), after.encode(video))
    assert not torch.equal(before.decode(before.encode(video)), after.decode(after.encode(video)))
