"""The captioner and the text encoder learn from a user's clips, and nothing else changes."""

import pytest
import torch

from sora_core.checkpoints.captioner_file import load_captioner
from sora_core.checkpoints.checkpoint import load_autoencoder, read_config
from sora_core.checkpoints.safetensors_io import read_tensors
from sora_core.checkpoints.text_file import holds_text, load_text
from sora_core.errors import ConfigError, TrainingError
from sora_core.models.text_encoder import encode
from sora_core.models.vocabulary import LONG_SIGN, split
from sora_core.training.distributed import Ranks
from sora_core.training.own.cache import encode_frames
from sora_core.training.own.captioner_objective import extended
from sora_core.training.own.clip_reader import clip_frames
from sora_core.training.own.settings import OwnSettings
from tests.support.clips import captioned_clip
from tests.support.own_runs import GroupRuns, losses, small_settings
from tests.support.plans import planned

CAPTIONS = (
    "A zebra gallops left. Dust hangs over the savannah.",
    "Two violins lie on velvet.",
    "A lighthouse blinks at dusk, far away.",
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of three captioned clips and a tiny model, and runs of settings in it."""
    folder = tmp_path_factory.mktemp("parts")
    clips = folder / "clips"
    clips.mkdir()
    for i, caption in enumerate(CAPTIONS):
        captioned_clip(clips, f"{i}.mp4", seed=i, frames=5, width=32, height=32, caption=caption)
    plan = planned(clips, area=32 * 32, frames=5, held_out=0.0)
    return folder, GroupRuns(plan, folder / "cache", {})


@pytest.mark.slow
def test_a_captioner_learns_the_captions_of_the_clips_by_heart(runs):
    folder, group = runs
    settings = small_settings(
        folder, what="captioner", steps=80, averages=(0.5,), validate_every=80, save_every=80
    )
    result = group.one(folder / "captioner", settings, Ranks())
    captioner = load_captioner(result.file)
    autoencoder = load_autoencoder(
        folder / "tiny.safetensors", read_config(folder / "tiny.safetensors")
    )
    for clip in group.plan.clips:
        latent = encode_frames(autoencoder, clip_frames(group.plan.path(clip), clip))
        (written,) = captioner.generate(latent[None].float(), LONG_SIGN)
        assert split(written.text) == split(clip.caption)


def test_a_grown_vocabulary_leaves_every_caption_as_it_was():
    before = load_captioner()
    after = extended(before, ["A zebra gallops."])
    assert set(after.vocabulary.words) - set(before.vocabulary.words) == {"zebra", "gallops"}
    latent = torch.randn(2, before.config.channels, 3, 8, 8)
    features = before.encode_video(latent), after.encode_video(latent)
    assert torch.equal(*features)
    words = torch.tensor([[LONG_SIGN, 5, 6]] * 2)
    old, new = before.next_words(words, features[0]), after.next_words(words, features[1])
    assert torch.equal(old, new[..., : old.shape[-1]])


def test_captions_without_letters_are_refused_in_a_sentence(runs, tmp_path):
    folder, _ = runs
    captioned_clip(tmp_path, "0.mp4", frames=5, width=32, height=32, caption="一只猫 123")
    plan = planned(tmp_path, area=32 * 32, frames=5)
    group = GroupRuns(plan, tmp_path / "cache", {})
    with pytest.raises(TrainingError, match="letters a to z"):
        group.one(tmp_path / "run", small_settings(folder, what="captioner"), Ranks())


@pytest.mark.slow
def test_a_trained_text_encoder_is_in_the_model_file_and_the_rest_stays(runs):
    folder, group = runs
    run, start = folder / "text", folder / "tiny.safetensors"
    result = group.one(run, small_settings(folder, what="text", steps=12, no_text=0.0), Ranks())
    assert holds_text(result.file) and not holds_text(start)
    for prefix in ("transformer.", "autoencoder."):
        before, after = (read_tensors(path, prefix=prefix) for path in (start, result.file))
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name].half(), after[name]) for name in before)
    states = [encode(*load_text(path), [CAPTIONS[0]]).states for path in (start, result.file)]
    assert 1e-4 < float((states[0] - states[1]).abs().mean()) < 0.5


@pytest.mark.slow
def test_a_run_of_the_text_encoder_continues_to_the_same_losses(runs):
    folder, group = runs
    settings = {"what": "text", "steps": 6, "validate_every": 6}
    group.one(folder / "whole", small_settings(folder, **settings), Ranks())
    group.one(folder / "parts", small_settings(folder, until=3, **settings), Ranks())
    group.one(folder / "parts", small_settings(folder, **settings), Ranks())
    assert losses(folder / "parts") == pytest.approx(losses(folder / "whole"), rel=1e-6)


@pytest.mark.parametrize("what", ["captioner", "text", "autoencoder", "decoder"])
@pytest.mark.parametrize("name", ["checkpointing", "compiled"])
def test_what_only_the_transformer_has_is_refused_by_name(what, name):
    with pytest.raises(ConfigError, match=f"{name} for the {what}"):
        OwnSettings(what=what, **{name: True})


@pytest.mark.parametrize("what", ["captioner", "text"])
def test_neither_is_split_over_processes(what):
    with pytest.raises(ConfigError, match=what):
        OwnSettings(what=what, parallel="fsdp")
