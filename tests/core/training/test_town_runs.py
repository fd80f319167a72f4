"""The recipes of the toy town, as the command trains them."""

from argparse import ArgumentParser
from itertools import pairwise

import pytest
import torch

from sora_core.checkpoints.checkpoint import load_transformer, read_config
from sora_core.checkpoints.safetensors_io import read_tensors
from sora_core.cli import train
from sora_core.errors import ConfigError, TrainingError
from sora_core.shapes import Size
from sora_core.training.checkpoint import TrainingState, WholeFile
from sora_core.training.distributed import Ranks
from sora_core.training.mixed_clips import captions_of, read_buckets, text_path
from sora_core.training.mixed_task import MixedLearner
from sora_core.training.town_clips import TownShelf, read_pictures, town_clip, write_pictures
from sora_core.training.town_recipes import TOWN_RECIPES, wide

SMALL = Size(32, 32, 9)


def run(*words):
    parser = ArgumentParser()
    train.add_arguments(parser)
    train.run(parser.parse_args([*map(str, words), "--processes", "1"]))


def test_a_clip_follows_from_its_seed():
    first, again = town_clip(5, SMALL), town_clip(5, SMALL)
    assert torch.equal(first.frames, again.frames) and first.captions == again.captions
    assert not torch.equal(first.frames, town_clip(6, SMALL).frames)


def test_clips_come_at_different_rates():
    assert len({town_clip(seed, Size(16, 16, 1)).fps for seed in range(24)}) == 4


def test_a_share_of_a_shelf_is_its_first_shards(tmp_path):
    shelf = TownShelf(SMALL, 640, 7000)
    assert shelf.shards(tmp_path, 0.3) == shelf.shards(tmp_path)[:3]
    assert [shelf.seeds(i).start for i in range(2)] == [7000, 7064]
    assert len(shelf.shards(tmp_path, 1e-9)) == 1


@pytest.mark.parametrize("name", TOWN_RECIPES)
def test_no_two_shelves_of_a_recipe_share_a_clip(name):
    recipe = TOWN_RECIPES[name]()
    shelves = [*recipe.pictures, recipe.validation, *recipe.shelves, recipe.test]
    spans = sorted((shelf.first_seed, shelf.first_seed + shelf.clips) for shelf in shelves)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


@pytest.mark.parametrize("name", TOWN_RECIPES)
def test_every_shelf_is_whole_latent_frames_and_patches(name):
    recipe = TOWN_RECIPES[name]()
    assert len(recipe.weights) == len(recipe.shelves)
    assert sum(recipe.weights) == pytest.approx(1)
    for shelf in (*recipe.shelves, recipe.test, *recipe.pictures):
        assert shelf.size.frames % 4 == 1
        assert shelf.size.width % 16 == shelf.size.height % 16 == 0


def test_the_long_run_has_clips_of_every_rate_length_and_shape_it_claims():
    sizes = [shelf.size for shelf in wide().shelves]
    assert {size.frames for size in sizes} >= {1, 9, 17, 33, 65}
    assert max(size.width / size.height for size in sizes) >= 1.7
    assert min(size.width / size.height for size in sizes) <= 0.6


def test_pictures_come_back_with_their_segments(tmp_path):
    (path,) = write_pictures(tmp_path, TownShelf(SMALL, 3, 40))
    clips = read_pictures(path)
    assert torch.equal(clips.frames[2], town_clip(42, SMALL).frames)
    assert torch.equal(clips.segments[2], town_clip(42, SMALL).segments)


@pytest.mark.slow
def test_both_parts_train_into_a_file_that_loads_and_continue_after_a_stop(tmp_path):
    run("autoencoder", "wide-smoke", "--root", tmp_path)
    run("transformer", "wide-smoke", "--root", tmp_path, "--prepare")
    folder = tmp_path / "wide-smoke"
    assert not (folder / "transformer").exists()
    shard = next(path for path in (folder / "clips").iterdir() if ".text." not in path.name)
    assert text_path(shard).exists() and captions_of(shard)
    run("transformer", "wide-smoke", "--root", tmp_path, "--until", 2)
    run("transformer", "wide-smoke", "--root", tmp_path, "--resume")
    path = folder / "transformer" / "wide-smoke.safetensors"
    config = read_config(path)
    model = load_transformer(path, config)
    assert (config.transformer.positions, config.transformer.depth) == ("metric", 9)
    learner = MixedLearner(model)
    saved = WholeFile(folder / "transformer" / "checkpoint.safetensors", Ranks())
    assert saved.load(TrainingState(learner, {}, [])) == 4
    weights = read_tensors(folder / "autoencoder" / "weights.safetensors")
    released = read_tensors(path, prefix="autoencoder.")
    for name, weight in released.items():
        torch.testing.assert_close(weight, weights[name].half())


@pytest.mark.parametrize(
    "words, message",
    [
        (("reader", "wide"), "choose one of"),
        (("transformer", "wide", "--share", 0), "share 0"),
        (("transformer", "mini", "--share", 0.5), "only wide"),
        (("transformer", "smoke", "--until", 2), "only wide"),
    ],
)
def test_what_a_recipe_does_not_have_is_refused(words, message):
    with pytest.raises(ConfigError, match=message):
        run(*words)


def test_no_shards_are_refused():
    with pytest.raises(TrainingError, match="render some first"):
        read_buckets([])


def test_a_shelf_has_no_more_seeds_than_clips():
    shelf = TownShelf(SMALL, 70, 0)
    assert len(shelf.seeds(1)) == 6
