import pytest
import torch

from sora_core.errors import ConfigError
from sora_core.shapes import Size
from sora_core.world.town.facts import holds_in
from sora_core.world.town.render import render
from sora_core.world.town.shards import SceneShelf, read_scene_shard, write_scene_shards


def test_a_shard_gives_back_clips_rates_captions_and_facts(tmp_path):
    shelf = SceneShelf(Size(32, 16, 9), clips=5, first_seed=40, captions=2)
    (path,) = write_scene_shards(tmp_path, shelf)
    shard = read_scene_shard(path)
    for i in range(5):
        spec = shelf.spec(i)
        clip = render(spec.scene, spec.size, spec.fps)
        assert torch.equal(shard.frames[i], clip.frames)
        assert shard.fps[i] == spec.fps and len(shard.captions[i]) == 2
        assert all(holds_in(f, spec.scene, spec.seconds) for facts in shard.facts[i] for f in facts)
    assert shard.things.any() and not shard.things.all()


def test_a_shard_that_is_there_is_not_drawn_again(tmp_path):
    shelf = SceneShelf(Size(16, 16, 1), clips=70, first_seed=0)
    first, second = write_scene_shards(tmp_path, shelf, threads=2)
    written = first.stat().st_mtime_ns
    second.unlink()
    write_scene_shards(tmp_path, shelf)
    assert first.stat().st_mtime_ns == written and second.exists()


@pytest.mark.parametrize("wrong", [{"clips": 0}, {"captions": 0}, {"first_seed": -1}])
def test_a_shelf_of_nothing_is_refused(wrong):
    with pytest.raises(ConfigError):
        SceneShelf(**{"size": Size(16, 16), "clips": 1, "first_seed": 0} | wrong)
