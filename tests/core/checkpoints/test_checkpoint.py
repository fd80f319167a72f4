"""One file holds a whole model; errors of a file are reported before a network is built."""

import json

import pytest
import torch
from torch.nn.functional import interpolate

from sora_core.checkpoints.checkpoint import (
    SETTINGS,
    TextSettings,
    fit_colours,
    load_autoencoder,
    load_transformer,
    read_config,
    settings_tensor,
    write_checkpoint,
)
from sora_core.checkpoints.safetensors_io import read_header, read_tensors, write_tensors
from sora_core.checkpoints.text_file import SHIPPED_TEXT_ENCODER
from sora_core.errors import WeightsError
from sora_core.models.dit import DiT, DiTConfig
from tests.support.tiny import tiny_autoencoder, tiny_transformer, write_tiny


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("models"))


def rewritten(path, folder, change):
    """A copy of the file with other settings."""
    metadata = dict(read_header(path).metadata)
    config = json.loads(metadata["config"])
    change(config)
    copy = folder / "changed.safetensors"
    write_tensors(copy, read_tensors(path), metadata | {"config": json.dumps(config)})
    return copy


def test_a_model_comes_back_as_it_was_written(path):
    config = read_config(path)
    pairs = [
        (tiny_transformer(), load_transformer(path, config)),
        (tiny_autoencoder(), load_autoencoder(path, config)),
    ]
    for written, loaded in pairs:
        assert loaded.config == written.config
        for name, tensor in written.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], tensor.half().float())


def test_a_file_from_before_a_setting_has_it_at_its_default(path, tmp_path):
    old = rewritten(path, tmp_path, lambda config: config["sampling"].pop("window"))
    assert read_config(old) == read_config(path)
    short = rewritten(path, tmp_path, lambda config: config["sampling"].update(window=3))
    assert read_config(short).sampling.window == 3


def test_patch_and_positions_are_of_the_file_and_old_files_have_the_first_ones(tmp_path, path):
    new = DiT(DiTConfig(width=64, depth=1, patch=1, positions="metric"))
    write_checkpoint(tmp_path / "new.safetensors", new, tiny_autoencoder(), name="new")
    config = read_config(tmp_path / "new.safetensors")
    assert load_transformer(tmp_path / "new.safetensors", config).config == new.config

    def forget(config):
        del config["transformer"]["patch"], config["transformer"]["positions"]

    old = read_config(rewritten(path, tmp_path, forget)).transformer
    assert (old.patch, old.positions) == (2, "grid")


def test_what_is_loaded_is_ready_to_sample(path):
    model = load_transformer(path, read_config(path))
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_new_file_names_the_text_encoder_that_ships_and_an_old_one_its_teacher(path, tmp_path):
    assert read_config(path).text == TextSettings(encoder=SHIPPED_TEXT_ENCODER.stem)
    old = rewritten(
        path, tmp_path, lambda config: config["text"].update(encoder="all-MiniLM-L6-v2")
    )
    copy = tmp_path / "copy.safetensors"
    write_tensors(copy, {SETTINGS: settings_tensor(read_config(old))})
    assert read_config(copy).text.encoder == "all-MiniLM-L6-v2"


def test_settings_survive_as_a_tensor_where_metadata_is_lost(path, tmp_path):
    config = read_config(path)
    copy = tmp_path / "copy.safetensors"
    write_tensors(
        copy,
        read_tensors(path) | {SETTINGS: settings_tensor(config)},
        {"made by": "another program"},
    )
    assert read_config(copy) == config


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.pop("fps"),
        lambda config: config.update(extra=1),
        lambda config: config.update(fps="8"),
        lambda config: config.update(fps=0.0),
        lambda config: config.update(name=3),
        lambda config: config["transformer"].update(depth=True),
        lambda config: config["transformer"].update(depth=10**9),
        lambda config: config["transformer"].update(width=64 * 10**9),
        lambda config: config["transformer"].update(width=65),
        lambda config: config["transformer"].update(latent_channels=8),
        lambda config: config["colours"].update(factors=[[1.0, 2.0]]),
        lambda config: config["colours"].update(bias=["red", "green", "blue"]),
        lambda config: config.update(sampling=[]),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(path, tmp_path, change):
    with pytest.raises(WeightsError) as refused:
        read_config(rewritten(path, tmp_path, change))
    assert len(str(refused.value)) <= 200


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"format": "sora 2", "config": "{}"},
        {"format": "sora 1"},
        {"format": "sora 1", "config": "["},
    ],
)
def test_a_file_of_another_format_is_refused(path, tmp_path, metadata):
    copy = tmp_path / "other.safetensors"
    write_tensors(copy, read_tensors(path), metadata)
    with pytest.raises(WeightsError, match="no Sora model"):
        read_config(copy)


def test_settings_that_do_not_fit_the_weights_are_refused(path, tmp_path):
    copy = rewritten(path, tmp_path, lambda config: config["transformer"].update(depth=3))
    with pytest.raises(WeightsError, match="lacks"):
        load_transformer(copy, read_config(copy))


def test_the_fitted_colours_are_the_decoded_ones():
    class Grey(torch.nn.Module):
        """Red, green and blue are three of the channels, shifted."""

        def decode(self, latent):
            return interpolate(latent[:, :3, 0], scale_factor=8)[:, :, None] * 0.5 + 0.25

    grey = Grey()
    grey.weight = torch.nn.Parameter(torch.zeros(1))
    latents = torch.randn(4, 16, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    colours = fit_colours(grey, latents)
    expected = torch.zeros(16, 3)
    expected[:3] = torch.eye(3) / 2
    torch.testing.assert_close(torch.tensor(colours.factors), expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(
        torch.tensor(colours.bias), torch.full((3,), 0.25), atol=1e-3, rtol=0
    )


def test_a_bundle_is_half_as_large_as_its_weights(tmp_path):
    parts = tiny_transformer(), tiny_autoencoder()
    whole = sum(tensor.nbytes for part in parts for tensor in part.state_dict().values())
    write_checkpoint(tmp_path / "m.safetensors", *parts, name="tiny")
    assert (tmp_path / "m.safetensors").stat().st_size == pytest.approx(whole / 2, rel=0.1)
