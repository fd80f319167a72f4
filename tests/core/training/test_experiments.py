"""The three parts of a recipe, one after the other, as the command trains them."""

from argparse import ArgumentParser
from dataclasses import replace

import pytest
import torch

from sora_core.checkpoints.checkpoint import read_config
from sora_core.checkpoints.safetensors_io import read_tensors
from sora_core.cli import train
from sora_core.errors import ConfigError, TrainingError
from sora_core.measure.classifier import load_classifier
from sora_core.training.distributed import Ranks
from sora_core.training.experiment import prepare
from sora_core.training.experiments import AutoencoderRun, DecoderRun, ReaderRun, TransformerRun
from sora_core.training.recipes import smoke


def trained(kind, root, recipe, start=None):
    run = kind(
        recipe=recipe, root=root, resume=False, on_progress=lambda progress: None, start=start
    )
    prepare(run, 1, lambda name, done, total: None)
    run(Ranks())


def of_steps(steps):
    short = replace(smoke().reader_training, steps=steps)
    return replace(
        smoke(),
        autoencoder_training=short,
        transformer_training=short,
        decoder_training=short,
        reader_training=short,
    )


@pytest.mark.slow
def test_every_part_of_a_recipe_is_trained_into_a_file_that_loads(tmp_path):
    recipe = of_steps(2)
    with pytest.raises(TrainingError, match="train that first"):
        trained(ReaderRun, tmp_path, recipe)
    for kind in (AutoencoderRun, TransformerRun, DecoderRun, ReaderRun):
        trained(kind, tmp_path, recipe)
    folder = tmp_path / recipe.name
    before, after = (
        folder / part / f"{recipe.name}.safetensors" for part in ("transformer", "decoder")
    )
    read_config(after)
    preserved, result = read_tensors(before), read_tensors(after)
    assert all(torch.equal(weight, result[name]) for name, weight in preserved.items())
    added = result.keys() - preserved.keys()
    assert added and all(name.startswith("autoencoder.generated_decoder.") for name in added)
    assert any(
        not torch.equal(result[name], preserved[name.replace(".generated_decoder.", ".decoder.")])
        for name in added
    )
    assert set(load_classifier(folder / "reader" / "reader.safetensors").words) >= {
        "colour",
        "shape",
    }


@pytest.mark.slow
def test_training_continues_from_a_model_file(tmp_path):
    recipe = of_steps(1)
    for kind in (AutoencoderRun, TransformerRun, DecoderRun):
        trained(kind, tmp_path, recipe)
    start = tmp_path / recipe.name / "decoder" / f"{recipe.name}.safetensors"
    for kind in (AutoencoderRun, TransformerRun):
        trained(kind, tmp_path / "again", recipe, start)
    result = tmp_path / "again" / recipe.name / "transformer" / f"{recipe.name}.safetensors"
    before, after = (read_tensors(path, prefix="transformer.") for path in (start, result))
    apart = {name: (after[name] - before[name]).float().norm() for name in before}
    assert sum(apart.values()) > 0
    large = (name for name, weight in before.items() if weight.float().norm() > 1)
    assert all(apart[name] < 0.2 * before[name].float().norm() for name in large)


def test_only_parts_that_a_model_file_holds_start_from_one(tmp_path):
    arguments = ArgumentParser()
    train.add_arguments(arguments)
    args = arguments.parse_args(["reader", "smoke", "--start", "model.safetensors"])
    with pytest.raises(ConfigError, match="only autoencoder, transformer, few-steps"):
        train.run(args)
