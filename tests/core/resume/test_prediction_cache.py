"""Sampling that stops anywhere resumes to the same bits, and the model predicts only the rest."""

import pytest
import torch

from sora_core.pipeline.generate import SAMPLERS, sampler_named
from sora_core.resume import prediction_cache
from sora_core.resume.jobs import Job, jobs, remove, size_on_disk
from sora_core.resume.prediction_cache import MAX_CACHE_BYTES
from sora_core.sampling.loop import loop_denoiser
from sora_core.sampling.noise import seeded_noise
from sora_core.sampling.schedules import linear_sigmas
from sora_core.sampling.windows import windowed_denoiser

FRAMES, STEPS = 9, 4
CALLS = {"euler": 4, "heun": 7, "dpmpp_2m": 4, "sde": 4}  # of the whole denoiser


class Killed(BaseException):
    """What nothing may catch."""


class Model:
    """Predicts from its input, and counts calls; stops before prediction `kill`, if any."""

    def __init__(self, kill=None):
        self.calls, self.kill = 0, kill

    def __call__(self, x, sigma):
        if self.calls == self.kill:
            raise Killed
        self.calls += 1
        windowed = windowed_denoiser(lambda start: lambda x, sigma: (2 * x + start).sin(), 5, 2)
        return loop_denoiser(windowed, FRAMES, cuts=2)(x, sigma)


def generated(root, sampler="euler", model=None, key="key", seed=0, steps=STEPS):
    """The latent, and how many predictions were already computed."""
    known = []

    def make(preserved):
        noise = seeded_noise(seed, (1, 2, FRAMES, 4, 4))
        method = sampler_named(sampler, seed, noise)
        latent = method(preserved.over(model or Model()), noise, linear_sigmas(steps))
        known.append(preserved.hits)
        return {"latent": latent}

    part, _ = Job(root, "way", key, "a test", seed, 1).part(0, key, make)
    return part["latent"], sum(known)


def killed(root, calls, sampler="euler"):
    with pytest.raises(Killed):
        generated(root, sampler, Model(calls))
    (job,) = jobs(root)
    return job


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_killed_at_any_prediction_it_continues_to_the_same_bits_and_predicts_the_rest(
    tmp_path, sampler
):
    whole, _ = generated(tmp_path / "unbroken", sampler)
    for calls in range(CALLS[sampler]):
        root, rest = tmp_path / str(calls), Model()
        killed(root, calls, sampler)
        again, known = generated(root, sampler, rest)
        assert torch.equal(again, whole)
        assert (known, rest.calls) == (calls, CALLS[sampler] - calls)


def test_killed_again_and_again_nothing_is_predicted_twice(tmp_path):
    for _ in range(STEPS - 1):
        killed(tmp_path, 1)  # each gets one further
    again, known = generated(tmp_path)
    assert torch.equal(again, generated(tmp_path / "unbroken")[0])
    assert known == STEPS - 1


@pytest.mark.parametrize("changed", [{"seed": 1}, {"key": "another"}, {"sampler": "heun"}])
def test_another_question_is_asked_of_the_model(tmp_path, changed):
    killed(tmp_path, STEPS - 1)
    result, _ = generated(tmp_path, **changed)
    assert torch.equal(result, generated(tmp_path / "fresh", **changed)[0])


def test_from_the_first_question_that_differs_all_is_predicted_anew(tmp_path):
    job, model = killed(tmp_path, STEPS - 1), Model()
    (first, *_) = sorted(prediction_cache.prediction_files(job))
    first.unlink()
    again, known = generated(tmp_path, model=model, steps=STEPS + 1)
    assert torch.equal(again, generated(tmp_path / "fresh", steps=STEPS + 1)[0])
    assert (known, model.calls) == (0, STEPS + 1)


DAMAGE = {
    "cut off": lambda content: content[: len(content) // 2],
    "a bit flipped": lambda content: content[:-5] + bytes([content[-5] ^ 1]) + content[-4:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_prediction_is_made_again(tmp_path, damage):
    job, rest = killed(tmp_path, STEPS - 1), Model()
    first = min(prediction_cache.prediction_files(job))
    first.write_bytes(damage(first.read_bytes()))
    again, known = generated(tmp_path, model=rest)
    assert torch.equal(again, generated(tmp_path / "unbroken")[0])
    assert (known, rest.calls) == (STEPS - 2, 2)


def test_a_part_that_is_done_leaves_no_predictions(tmp_path):
    job = killed(tmp_path, STEPS - 1)
    assert len(list(prediction_cache.prediction_files(job))) == STEPS - 1
    generated(tmp_path)
    assert list(prediction_cache.prediction_files(job)) == []
    assert sorted(file.suffix for file in job.iterdir()) == [".json", ".safetensors"]


def test_predictions_count_and_go_with_their_job(tmp_path):
    job = killed(tmp_path, 2)
    assert (
        size_on_disk(job)
        > sum(file.stat().st_size for file in prediction_cache.prediction_files(job))
        > 0
    )
    remove(job)
    assert not job.exists()


@pytest.mark.parametrize("bound", ["ROOM", "what is free"])
def test_predictions_take_no_more_than_their_share_of_the_disk_and_dropped_ones_are_counted(
    tmp_path, monkeypatch, bound
):
    job = killed(tmp_path, 2)
    used = sum(file.stat().st_size for file in prediction_cache.prediction_files(job))
    capacity, free = (used, MAX_CACHE_BYTES) if bound == "ROOM" else (MAX_CACHE_BYTES, used)
    monkeypatch.setattr(prediction_cache, "MAX_CACHE_BYTES", capacity)
    monkeypatch.setattr(
        prediction_cache.shutil, "disk_usage", lambda _: type("Disk", (), {"free": free})
    )
    counted = []

    def make(preserved):
        noise = seeded_noise(0, (1, 2, FRAMES, 4, 4))
        latent = sampler_named("euler", 0, noise)(
            preserved.over(Model()), noise, linear_sigmas(STEPS)
        )
        counted.append(
            (preserved.hits, preserved.uncached, len(list(prediction_cache.prediction_files(job))))
        )
        return {"latent": latent}

    Job(tmp_path, "way", "key", "a test", 0, 1).part(0, "key", make)
    assert counted == [(2, 2, 2)]
