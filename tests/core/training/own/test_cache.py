"""The cache of a plan: whole files, checked when read, continued after a stop, nothing stale."""

import re
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from sora_core.checkpoints.safetensors_io import read_header
from sora_core.checkpoints.text_file import load_text
from sora_core.errors import SoraError, TrainingError
from sora_core.training.own import cache as cache_module
from sora_core.training.own.cache import cache_for, check_encoded, clips, encode_plan
from sora_core.training.own.clip_reader import clip_frames
from sora_core.training.own.plan import HELD_OUT, TRAIN
from tests.support.clips import captioned_clip, moving_frames, picture_file
from tests.support.plans import planned
from tests.support.tiny import tiny_autoencoder

loaded_text = cache(load_text)


def tiny_cache(folder: Path, autoencoder=None):
    return cache_for(folder, autoencoder or tiny_autoencoder(), *loaded_text())


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four clips of two shapes, and an image."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for i in range(3):
        captioned_clip(folder, f"square{i}.mp4", seed=i, caption=f"square {i}")
    captioned_clip(folder, "tall.mp4", seed=3, width=48, height=80, caption="(tall:1.2)")
    picture_file(folder / "still.png", seed=4)
    (folder / "still.txt").write_text("still")
    return folder


def test_clips_come_back_in_buckets_of_one_latent_shape(folder, tmp_path):
    plan, cache = planned(folder, held_out=0), tiny_cache(tmp_path / "cache")
    assert encode_plan(plan, cache) == ()
    buckets = clips(plan, cache, TRAIN)
    assert [bucket.grid.shape for bucket in buckets] == [(1, 8, 8), (5, 8, 8), (5, 10, 6)]
    assert [each for (each,) in buckets[1].captions] == ["square 0", "square 1", "square 2"]
    assert buckets[1].fps.tolist() == [8.0, 8.0, 8.0]
    assert buckets[1].maps.shape == (3, 6, 5, 8, 8) and not buckets[1].maps.any()
    assert buckets[1].text(1, 0).shape == (int(buckets[1].lengths[1, 0]), 384)


def test_a_latent_is_that_of_the_frames_of_the_file(folder, tmp_path):
    plan, cache = planned(folder, held_out=0), tiny_cache(tmp_path / "cache")
    clip = next(clip for clip in plan.clips if clip.source == "square1.mp4")
    frames = clip_frames(plan.path(clip), clip)
    true = moving_frames(1)
    assert (frames.float() - true.float()).abs().mean() < 4  # of 255: what the codec loses
    encode_plan(plan, cache)
    latent = cache.latent(clip)
    video = cache_module.video_from_frames(frames)[None]
    whole = cache.autoencoder.encode(video)[0]
    assert latent is not None and torch.allclose(latent.float(), whole, atol=0.1)


def test_held_out_clips_are_in_no_training_bucket(folder, tmp_path):
    plan, cache = planned(folder, held_out=0.4), tiny_cache(tmp_path / "cache")
    encode_plan(plan, cache)
    train, held = (
        {text for b in clips(plan, cache, split) for (text,) in b.captions}
        for split in (TRAIN, HELD_OUT)
    )
    assert len(train) == 3 and len(held) == 2 and not train & held


def test_a_second_run_encodes_nothing(folder, tmp_path, monkeypatch):
    plan, cache = planned(folder), tiny_cache(tmp_path / "cache")
    encode_plan(plan, cache)

    def refuse(*_):
        raise AssertionError("encoded again")

    monkeypatch.setattr(cache_module, "encode_frames", refuse)
    monkeypatch.setattr(cache_module, "encode", refuse)
    assert encode_plan(plan, cache) == ()


def test_a_stop_loses_nothing_and_the_next_run_continues(folder, tmp_path):
    plan, cache = planned(folder), tiny_cache(tmp_path / "cache")

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_plan(plan, cache, stop)
    ready = sorted((tmp_path / "cache/latents").iterdir())
    times = [path.stat().st_mtime_ns for path in ready]
    assert len(ready) == 2
    encode_plan(plan, cache)
    assert [path.stat().st_mtime_ns for path in ready] == times
    assert len(list((tmp_path / "cache/latents").iterdir())) == len(plan.clips)


def test_a_damaged_file_is_encoded_again(folder, tmp_path):
    plan, cache = planned(folder, held_out=0), tiny_cache(tmp_path / "cache")
    encode_plan(plan, cache)
    before = clips(plan, cache, TRAIN)[1].latents
    path = cache.latent_path(plan.clips[0])
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # one bit of one value
    path.write_bytes(data)
    assert cache.latent(plan.clips[0]) is None
    encode_plan(plan, cache)
    assert torch.equal(clips(plan, cache, TRAIN)[1].latents, before)


def test_another_autoencoder_reads_no_latents_of_the_first_but_all_texts(folder, tmp_path):
    plan, cache = planned(folder), tiny_cache(tmp_path / "cache")
    encode_plan(plan, cache)
    other = tiny_autoencoder()
    other.encoder.proj_out.weight.data.mul_(1.5)
    changed = tiny_cache(tmp_path / "cache", other)
    assert changed.latent(plan.clips[0]) is None
    assert changed.words(plan.clips[0].caption) is not None


def test_another_decoder_keeps_the_cache(folder, tmp_path):
    plan, cache = planned(folder), tiny_cache(tmp_path / "cache")
    encode_plan(plan, cache)
    other = tiny_autoencoder()
    other.decoder.proj_out.weight.data.mul_(1.5)
    assert tiny_cache(tmp_path / "cache", other).latent(plan.clips[0]) is not None


def test_a_clip_that_disappears_is_reported_and_the_others_are_encoded(folder, tmp_path):
    plan, cache = planned(folder, held_out=0), tiny_cache(tmp_path / "cache")
    (folder / "square1.mp4").unlink()
    (folder / "tall.mp4").write_bytes((folder / "square0.mp4").read_bytes())
    lost = {one.source: one.reason for one in encode_plan(plan, cache)}
    assert set(lost) == {"square1.mp4", "tall.mp4"}
    assert "gone" in lost["square1.mp4"] and "changed since the plan" in lost["tall.mp4"]
    assert sum(len(bucket.latents) for bucket in clips(plan, cache, TRAIN)) == 3


def test_a_clip_that_disappears_once_encoded_is_still_learned(folder, tmp_path):
    plan, cache = planned(folder, held_out=0), tiny_cache(tmp_path / "cache")
    encode_plan(plan, cache)
    (folder / "square1.mp4").unlink()
    assert encode_plan(plan, cache) == ()
    assert sum(len(bucket.latents) for bucket in clips(plan, cache, TRAIN)) == 5


def test_a_clip_with_damaged_data_is_reported_with_its_readable_frames(tmp_path):
    folder = tmp_path / "damaged"
    folder.mkdir()
    path = captioned_clip(folder, "long.mp4", frames=51)
    data = bytearray(path.read_bytes())
    begin, end = len(data) // 2, len(data) * 4 // 5
    data[begin:end] = bytes(end - begin)
    path.write_bytes(data)
    plan = planned(folder, held_out=0)
    reasons = [one.reason for one in encode_plan(plan, tiny_cache(tmp_path / "cache"))]
    assert reasons
    for reason in reasons:
        assert re.match(r"\d+ of 17 frames from \d+\.\d\d s on can be read \(", reason)


def test_a_file_that_loses_some_of_its_clips_is_still_learned(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    path = captioned_clip(folder, "long.mp4", frames=51)
    plan, cache = planned(folder, held_out=0), tiny_cache(tmp_path / "cache")
    assert len(plan.clips) == 3
    encode_plan(replace(plan, clips=plan.clips[:1]), cache)
    path.unlink()
    lost = encode_plan(plan, cache)
    assert lost
    check_encoded(lost, plan, cache)
    assert sum(len(bucket.latents) for bucket in clips(plan, cache, TRAIN)) == 1


def test_no_clip_left_is_a_sentence(folder, tmp_path):
    plan, cache = planned(folder, held_out=0), tiny_cache(tmp_path / "cache")
    for clip in plan.clips:
        plan.path(clip).unlink(missing_ok=True)
    lost = encode_plan(plan, cache)
    with pytest.raises(TrainingError, match="no clip is left"):
        check_encoded(lost, plan, cache)
    with pytest.raises(TrainingError, match="encode the plan first"):
        clips(plan, cache, TRAIN)


def test_a_plan_without_a_training_clip_is_a_sentence(folder, tmp_path):
    plan = planned(folder)
    held_out = replace(plan, clips=plan.of_split(HELD_OUT))
    with pytest.raises(TrainingError, match="no clip to train on"):
        check_encoded((), held_out, tiny_cache(tmp_path / "cache"))


@pytest.fixture
def nearly_full_disk():
    """Refuses files of more than 3000 bytes, as the kernel does: a text fits, a latent does not."""
    resource = pytest.importorskip("resource", reason="limits on files are a matter of Unix")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextmanager
    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    return full


def test_a_full_disk_is_a_sentence_and_nothing_is_half_written(folder, tmp_path, nearly_full_disk):
    plan, cache = planned(folder, held_out=0), tiny_cache(tmp_path / "cache")
    with nearly_full_disk(), pytest.raises(SoraError, match="free space"):
        encode_plan(plan, cache)
    written = [path for path in (tmp_path / "cache").rglob("*.safetensors")]
    assert all(read_header(path) for path in written)
    assert not list((tmp_path / "cache").rglob("*.part*"))
    assert encode_plan(plan, cache) == ()
    assert sum(len(bucket.latents) for bucket in clips(plan, cache, TRAIN)) == 5


def test_actions_are_in_the_bucket_one_vector_a_latent_frame(folder, tmp_path):
    rows = "file_name,actions\nsquare0.mp4,1 0;0 1;1 1;0 0;1 0\n"
    (folder / "metadata.csv").write_text(rows)
    plan, cache = planned(folder, held_out=0), tiny_cache(tmp_path / "cache")
    encode_plan(plan, cache)
    actions = clips(plan, cache, TRAIN)[1].actions
    assert actions is not None and actions.shape == (3, 5, 2)
    assert actions[0].tolist() == [[1, 0], [0, 1], [1, 1], [0, 0], [1, 0]]
    assert not actions[1:].any()
    assert "4 clips have no actions" in plan.warnings[-1]
