"""Averages of a length chosen after the run, from snapshots of two tracks."""

import json
from dataclasses import replace
from shutil import copytree

import pytest
import torch
from torch import nn

from sora_core.checkpoints.safetensors_io import read_tensors
from sora_core.errors import ConfigError, TrainingError, WeightsError
from sora_core.training.averages import TRACK_POWERS, Averages
from sora_core.training.distributed import Ranks
from sora_core.training.own.average_choice import LENGTHS, choose_average
from sora_core.training.own.post_hoc import (
    WORST_FIT,
    SavedTrack,
    Snapshots,
    checked_combination,
    combination,
    power_of,
    profile,
    snapshot_due,
)
from sora_core.training.own.run_file import RUN_FILE
from tests.support.own_runs import GroupRuns, small_plan, small_settings

STEPS = 40


def parts(steps, snapshots=8):
    due = [step for step in range(1, steps + 1) if snapshot_due(step, steps, snapshots)]
    return [SavedTrack(power, step) for step in sorted({*due, steps}) for power in TRACK_POWERS]


@pytest.mark.parametrize("length", [0.02, 0.05, 0.1, 0.28])
def test_an_average_of_a_length_has_that_deviation_over_the_steps(length):
    weights = profile(SavedTrack(power_of(length), 5000), 5000)
    at = (torch.arange(5000) + 0.5) / 5000
    mean = (weights * at).sum()
    assert weights.sum().item() == pytest.approx(1)
    assert ((weights * (at - mean).square()).sum().sqrt()).item() == pytest.approx(length, rel=0.01)


def test_tracks_give_every_step_the_weight_of_their_profile():
    """At step `i` the model is the unit vector of `i`: its average is the profile itself."""
    model = nn.Linear(STEPS, 1, bias=False)
    averages = Averages(model, (0.9,), tracked=True)
    for step, row in enumerate(torch.eye(STEPS)):
        model.weight.data = row[None]
        averages.update(model, step)
    for power, track in averages.tracks.items():
        expected = profile(SavedTrack(power, STEPS), STEPS).float()
        assert torch.allclose(track.weight[0], expected, atol=1e-6)


@pytest.mark.parametrize("steps", [8, 100, 3000])
@pytest.mark.parametrize("length", [0.05, 0.075, 0.1, 0.125, 0.15])
def test_a_combination_of_snapshots_is_nearly_the_average_of_any_length(steps, length):
    found = combination(parts(steps), length, steps)
    wanted = profile(SavedTrack(power_of(length), steps), steps)
    reached = sum(share * profile(part, steps) for part, share in found.shares.items())
    assert sum(found.shares.values()) == pytest.approx(1)
    assert (reached - wanted).norm() / wanted.norm() == pytest.approx(found.error, abs=1e-9)
    assert found.error < 0.04


def test_more_snapshots_reach_shorter_and_longer_averages():
    for length in (0.02, 0.25):
        few, many = (combination(parts(1000, count), length, 1000).error for count in (8, 32))
        assert many < few / 2


@pytest.mark.parametrize("length", [0.0, -0.1, 0.3, float("nan")])
def test_a_length_out_of_range_is_refused_with_the_range(length):
    with pytest.raises(ConfigError, match=r"choose above 0 and at most 0\.28"):
        power_of(length)


def test_a_length_that_the_snapshots_cannot_give_is_refused():
    with pytest.raises(TrainingError, match=r"length 0.005 is \d+% off with 8 snapshots: choose"):
        checked_combination(parts(1000), 0.005, 1000)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("post_hoc")
    return folder, GroupRuns(small_plan(folder), folder / "cache", {})


def settings(folder, **changed):
    quick = {"steps": 16, "validate_every": 100, "save_every": 5, "sheet_clips": 0}
    return small_settings(folder, **quick | changed)


@pytest.fixture(scope="module")
def run(small):
    folder, group = small
    group.one(folder / "run", settings(folder), Ranks())
    return folder / "run"


def test_the_average_of_the_least_held_out_loss_is_written(small, run):
    found = []
    result = choose_average(
        run, (0.05, 0.1, 0.15), cache_folder=small[0] / "cache", on_measured=found.append
    )
    best = min(found, key=lambda one: one.loss)
    assert [one.length for one in found] == [0.05, 0.1, 0.15] and len({o.loss for o in found}) == 3
    assert result.file == run / f"average-{best.length:g}.safetensors" and result.file.exists()


def test_lengths_that_few_snapshots_cannot_give_are_no_candidates(small):
    folder, group = small
    out = folder / "few"
    group.one(out, settings(folder, steps=12, snapshots=1), Ranks())
    found = []
    result = choose_average(out, cache_folder=folder / "cache", on_measured=found.append)
    assert result.file.exists() and all(one.error <= WORST_FIT for one in found)
    assert {0.05, 0.1} <= {one.length for one in found} < set(LENGTHS)
    with pytest.raises(TrainingError, match=r"length 0\.2 is"):
        choose_average(out, [0.2], cache_folder=folder / "cache")


def test_an_average_between_the_tracks_is_between_their_weights(small, run):
    """Lengths of the tracks are exact; one between them lies nearer to each than they are apart."""
    files = {
        length: choose_average(run, [length], cache_folder=small[0] / "cache").file
        for length in (0.05, 0.075, 0.1)
    }
    short, middle, long = (
        torch.cat([t.flatten().float() for t in read_tensors(files[length]).values()])
        for length in (0.05, 0.075, 0.1)
    )
    apart = (short - long).norm()
    assert 0 < (short - middle).norm() < apart and 0 < (long - middle).norm() < apart


def test_a_resumed_run_has_the_snapshots_of_one_never_interrupted(small, run):
    folder, group = small
    stopped = folder / "resumed"
    steps = []
    group.one(
        stopped,
        settings(folder),
        Ranks(),
        on_progress=lambda progress: steps.append(progress.step),
        should_stop=lambda: len(steps) >= 7,
    )
    Snapshots(stopped).write(15, {TRACK_POWERS[0]: {}})  # of a process that was killed later
    group.one(stopped, settings(folder), Ranks())
    ours, whole = Snapshots(stopped), Snapshots(run)
    assert ours.steps() == whole.steps() == [2, 4, 6, 8, 10, 12, 14, 16]
    for part in whole.parts(16):
        one, other = ours.read(part), whole.read(part)
        assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("changed", [{"lora_rank": 2}, {"what": "captioner"}, {"what": "decoder"}])
def test_every_part_has_averages_to_choose_from(small, changed):
    folder, group = small
    out = folder / f"part-{next(iter(changed.values()))}"
    group.one(out, settings(folder, **changed, steps=4, snapshots=2), Ranks())
    found = []
    result = choose_average(
        out, (0.05, 0.1), cache_folder=folder / "cache", on_measured=found.append
    )
    last = read_tensors(out / "last.safetensors")
    assert all(one.loss is not None for one in found)
    assert read_tensors(result.file).keys() == last.keys()


def test_a_run_without_snapshots_is_refused_in_a_sentence(small):
    folder, group = small
    out = folder / "none"
    group.one(out, settings(folder, steps=2, snapshots=0), Ranks())
    assert not (out / "averages").exists()
    with pytest.raises(TrainingError, match="'none' has no snapshots of averages: train with"):
        choose_average(out, cache_folder=folder / "cache")
    with pytest.raises(TrainingError, match="holds no run"):
        choose_average(folder / "clips")


def test_a_run_older_than_snapshots_continues_without_them(small):
    folder, group = small
    out = folder / "older"
    group.one(out, settings(folder, steps=4, until=2, snapshots=0), Ranks())
    saved = json.loads((out / RUN_FILE).read_text())
    del saved["settings"]["snapshots"]
    (out / RUN_FILE).write_text(json.dumps(saved))
    with pytest.raises(TrainingError, match="snapshots was 0 in 'older' and is now 8"):
        group.one(out, settings(folder, steps=4, snapshots=8), Ranks())
    assert group.one(out, settings(folder, steps=4, snapshots=0), Ranks()).finished


def test_with_nothing_held_out_one_length_is_written_and_several_are_refused(small):
    folder, group = small
    clips = [replace(clip, split="train") for clip in group.plan.clips]
    alone = replace(group, plan=replace(group.plan, clips=clips))
    out = folder / "no-held-out"
    alone.one(out, settings(folder, steps=4), Ranks())
    assert choose_average(out, [0.1], cache_folder=folder / "cache").file.exists()
    with pytest.raises(TrainingError, match="no clip is held out to choose by"):
        choose_average(out, [0.05, 0.1], cache_folder=folder / "cache")


def test_a_damaged_snapshot_is_refused_by_name_and_the_others_do_without_it(small, run, tmp_path):
    copy = copytree(run, tmp_path / "copy")
    Snapshots(copy).path(8).write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"^remove averages/00000008\.safetensors: "):
        choose_average(copy, [0.15], cache_folder=small[0] / "cache")
    Snapshots(copy).path(8).unlink()
    assert choose_average(copy, [0.15], cache_folder=small[0] / "cache").file.exists()


@pytest.mark.parametrize("change", ["shapes", "names"])
def test_a_snapshot_of_another_model_is_refused_in_a_sentence(small, run, tmp_path, change):
    copy = copytree(run, tmp_path / "copy")
    tracks = {power: Snapshots(copy).read(SavedTrack(power, 8)) for power in TRACK_POWERS}
    other = {
        power: {
            name if change == "shapes" else f"other.{name}": weight[:1]
            for name, weight in weights.items()
        }
        for power, weights in tracks.items()
    }
    Snapshots(copy).write(8, other)
    with pytest.raises(
        TrainingError, match=r"00000008\.safetensors lacks .*: it is of another model"
    ):
        choose_average(copy, [0.15], cache_folder=small[0] / "cache")
