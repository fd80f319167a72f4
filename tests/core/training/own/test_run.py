"""A run on own clips: resumed to the same numbers, refused when changed, and it reports itself."""

import os
import re
import signal
from dataclasses import replace
from io import BytesIO
from shutil import copyfile

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator

from sora_core.checkpoints.checkpoint import load_transformer, read_config
from sora_core.checkpoints.safetensors_io import read_tensors
from sora_core.errors import ConfigError, TrainingError
from sora_core.sampling.noise import MAX_SEED
from sora_core.training.distributed import Ranks
from sora_core.training.own.run_file import BLOCK_BYTES, HASHED_BLOCKS, content_sample
from sora_core.training.own.samples import generator_of
from sora_core.training.own.settings import OwnSettings
from sora_core.training.own.validation import turned_at
from tests.support.own_runs import GroupRuns, losses, small_plan, small_settings, without_sheets


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The folder of a plan, a tiny model and the cache; and a way to run settings in it."""
    folder = tmp_path_factory.mktemp("own")
    return folder, GroupRuns(small_plan(folder), folder / "cache", {})


@pytest.fixture(scope="module")
def whole(small):
    """A run of all weights that was never interrupted."""
    folder, group = small
    group.one(folder / "whole", small_settings(folder), Ranks())
    return folder / "whole"


def weights(run, name="last.safetensors"):
    return read_tensors(run / name, prefix="transformer.")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_killed_run_continues_to_the_same_numbers(small, whole):
    folder, group = small

    def kill(progress):
        if progress.step == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if not child:
        try:
            group.one(folder / "killed", without_sheets(folder), Ranks(), on_progress=kill)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert [path.name for path in (folder / "killed").glob("checkpoint-*")] == [
        "checkpoint-00000004"
    ]
    group.one(folder / "killed", without_sheets(folder), Ranks())
    assert losses(folder / "killed") == losses(whole)
    ends = weights(folder / "killed"), weights(whole)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[1])


@pytest.mark.slow
def test_a_stop_between_steps_saves_and_the_same_call_continues(small, whole):
    folder, group = small
    steps = []
    stopped = group.one(
        folder / "stopped",
        without_sheets(folder),
        Ranks(),
        on_progress=lambda progress: steps.append(progress.step),
        should_stop=lambda: len(steps) >= 3,
    )
    assert not stopped.finished and stopped.step == 3  # the validation of that step is ended
    assert "held_out/mean" not in (folder / "stopped" / "history.jsonl").read_text()
    assert group.one(folder / "stopped", without_sheets(folder), Ranks()).finished
    ends = weights(folder / "stopped"), weights(whole)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[1])


@pytest.mark.slow
@pytest.mark.parametrize("call", [4, 11], ids=["at held-out losses", "at generated clips"])
def test_a_stop_within_a_validation_saves_and_the_next_call_repeats_it(small, whole, call):
    folder, group = small
    calls = []

    def stop():
        """The calls 1 to 3 are after steps; of the validation, 4 to 9 are before its losses."""
        calls.append(True)
        return len(calls) == call

    run = folder / f"stopped{call}"
    stopped = group.one(run, small_settings(folder), Ranks(), should_stop=stop)
    assert len(calls) == call and stopped.step == 3 and not (run / "sheet-00000003.png").exists()
    assert group.one(run, small_settings(folder), Ranks()).finished
    for name in ("history.jsonl", "sheet-00000003.png"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    ends = weights(run, "best.safetensors"), weights(whole, "best.safetensors")
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[1])


@pytest.mark.slow
@pytest.mark.parametrize("what", ["captioner", "decoder"])
def test_a_stop_within_a_validation_ends_it_whatever_is_trained(small, what):
    folder, group = small
    run, calls = folder / f"stopped-{what}", []

    def stop():
        """The calls 1 to 3 are after steps, the fourth is within the validation of step 3."""
        calls.append(True)
        return len(calls) == 4

    settings = small_settings(folder, what=what, steps=4, optimizer="adamw")
    assert group.one(run, settings, Ranks(), should_stop=stop).step == 3
    assert not (run / "sheet-00000003.png").exists()
    assert group.one(run, settings, Ranks()).finished and (run / "sheet-00000003.png").exists()


def tensorboard_events(run):
    events = event_accumulator.EventAccumulator(str(run / "scalars"), {"images": 0, "scalars": 0})
    return events.Reload()


@pytest.mark.slow
def test_tensorboard_keeps_what_a_paused_run_has_reported(small, whole):
    folder, group = small
    run = folder / "paused"
    group.one(run, without_sheets(folder, until=3), Ranks())
    group.one(run, without_sheets(folder), Ranks())
    found = [
        {name: [one.step for one in events.Scalars(name)] for name in ("loss", "held_out/mean")}
        for events in map(tensorboard_events, (run, whole))
    ]
    assert found[0] == found[1] == {"loss": [1, 2, 3, 4, 5, 6], "held_out/mean": [3, 6]}


def test_tensorboard_has_the_losses_the_rulers_and_the_sheets(whole):
    events = tensorboard_events(whole)
    tags = events.Tags()
    assert {"loss", "held_out/0.3", "held_out/0.6", "held_out/0.9"} <= set(tags["scalars"])
    assert {f"generated/{name}" for name in ("detail", "colour", "motion", "border")} <= set(
        tags["scalars"]
    )
    sheets = events.Images("samples")
    assert [one.step for one in sheets] == [3, 6]
    for one in sheets:
        with Image.open(BytesIO(one.encoded_image_string)) as image:
            expected = Image.open(whole / f"sheet-{one.step:08d}.png").convert("RGB")
            assert image.convert("RGB").tobytes() == expected.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("changed", [{"accumulate": 4}, {"checkpointing": True}])
def test_memory_saved_changes_no_number(small, whole, changed):
    folder, group = small
    run = folder / next(iter(changed))
    group.one(run, without_sheets(folder, **changed), Ranks())
    assert losses(run) == pytest.approx(losses(whole), rel=1e-4)


@pytest.mark.parametrize(
    "changed", [{"rate": 0.5}, {"batch": 8}, {"seed": 3}, {"averages": (0.5,)}, {"lora_rank": 4}]
)
def test_a_resumed_run_names_the_setting_that_has_changed(small, whole, changed):
    folder, group = small
    with pytest.raises(TrainingError, match=f"^{next(iter(changed))} was"):
        group.one(whole, small_settings(folder, **changed), Ranks())


@pytest.mark.slow
def test_a_resumed_run_may_go_further_and_not_less_far(small, whole):
    folder, group = small
    with pytest.raises(TrainingError, match="steps was 6"):
        group.one(whole, small_settings(folder, steps=5), Ranks())
    further = without_sheets(folder, steps=8)
    group.one(folder / "further", without_sheets(folder), Ranks())
    assert group.one(folder / "further", further, Ranks()).step == 8


def test_a_resumed_run_refuses_other_clips(small, whole):
    folder, group = small
    fewer = replace(group.plan, clips=group.plan.clips[:-1])
    with pytest.raises(TrainingError, match="clips of 'whole' were 5"):
        replace(group, plan=fewer).one(whole, small_settings(folder), Ranks())


@pytest.mark.slow
def test_a_run_whose_start_file_was_moved_and_renamed_continues(small, whole):
    folder, group = small
    run, moved = folder / "of_moved", folder / "elsewhere" / "renamed.safetensors"
    settings = small_settings(folder)
    group.one(run, replace(settings, until=3), Ranks())
    moved.parent.mkdir()
    copyfile(settings.start, moved)
    group.one(run, replace(settings, start=str(moved)), Ranks())
    before, after = weights(whole), weights(run)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_resumed_run_refuses_another_start_file_and_names_both(small, whole):
    folder, group = small
    other = folder / "other.safetensors"
    data = bytearray((folder / "tiny.safetensors").read_bytes())
    data[-1] ^= 1
    other.write_bytes(data)
    with pytest.raises(TrainingError, match=r"'tiny.safetensors'.*'other.safetensors'"):
        group.one(whole, small_settings(folder, start=str(other)), Ranks())


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, HASHED_BLOCKS * BLOCK_BYTES, 20_000_000])
def test_the_identity_of_a_file_has_its_size_and_both_ends(tmp_path, size):
    path = tmp_path / "file"

    def identity(change=None, more=b""):
        data = bytearray(size)
        if change is not None:
            data[change] = 1
        path.write_bytes(data + more)
        return content_sample(path)

    found = [identity(), identity(more=b"\0")]
    found += [identity(0), identity(-1)] if size > 1 else []
    assert len(set(found)) == len(found) and identity() == found[0]


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"settings": [], "clips": "", "count": 1}', '{"settings": {}}']
)
def test_a_damaged_file_of_settings_is_refused_in_a_sentence(small, tmp_path, text):
    folder, group = small
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(TrainingError, match="is damaged"):
        group.one(tmp_path, small_settings(folder), Ranks())


def test_a_damaged_checkpoint_is_refused_in_a_sentence(small):
    folder, group = small
    run = folder / "damaged"
    group.one(run, without_sheets(folder, until=2), Ranks())
    (file,) = run.glob("checkpoint-*/*.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="is damaged"):
        group.one(run, without_sheets(folder), Ranks())


def test_the_report_has_curves_pictures_and_time_left_and_needs_nothing_else(whole):
    page = (whole / "report.html").read_text()
    assert "time left" in page and "<polyline" in page and "data:image/png;base64," in page
    assert not re.search(r"https?://|<script|<link|src='(?!data:)", page)
    for level in ("0.3", "0.6", "0.9"):
        assert f"level {level}" in page
    for name in ("detail", "colour", "motion", "border"):
        assert f"Generated clips: {name}" in page
    charts = re.findall("<svg.*?</svg>", page)
    assert len(charts) == 7
    assert all(">step<" in chart and re.search(">(loss|of 255|ratio)<", chart) for chart in charts)
    assert "The true clips" in page
    assert any((whole / "scalars").iterdir())


def test_the_best_weights_load_and_leave_the_autoencoder_as_it_was(small, whole):
    best, config = whole / "best.safetensors", read_config(whole / "best.safetensors")
    load_transformer(best, config)
    start = read_tensors(small[0] / "tiny.safetensors", prefix="autoencoder.")
    ends = read_tensors(best, prefix="autoencoder.")
    assert all(torch.equal(start[name], ends[name]) for name in start)


def test_a_rise_of_the_held_out_loss_is_found_once_it_lasts():
    fall = [(100, 1.0), (200, 0.8), (300, 0.7)]
    assert turned_at(fall) is None
    assert turned_at([*fall, (400, 0.75)]) is None
    assert turned_at([*fall, (400, 0.75), (500, 0.76)]) == 300
    assert turned_at([*fall, (400, 0.702), (500, 0.703)]) is None


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2**33, 2**53 - 1, MAX_SEED])
def test_a_seed_of_the_page_trains(small, seed):
    folder, group = small
    run = folder / str(seed)
    assert group.one(run, small_settings(folder, seed=seed, steps=1), Ranks()).finished


@pytest.mark.parametrize("what", ["transformer", "decoder"])
def test_a_run_without_sheets_beside_a_picture_of_the_user_writes_its_report(small, tmp_path, what):
    folder, group = small
    (tmp_path / "sheet-mine.png").write_bytes(b"mine")
    more = {"what": what, "steps": 1, "optimizer": "adamw", "sheet_clips": 0}
    result = group.one(tmp_path, small_settings(folder, **more), Ranks())
    assert "<img" not in result.report.read_text()


def test_large_seeds_draw_different_noise():
    seeds = [0, 1, 2**33, 2**52, 2**52 + 1, 2**63, MAX_SEED]
    settings = [OwnSettings(seed=seed) for seed in seeds]
    drawn = {torch.randn(4, generator=generator_of(one, 3, 1)).sum().item() for one in settings}
    assert len(drawn) == len(seeds)


@pytest.mark.parametrize(
    "wrong",
    [
        {"what": "sound"},
        {"steps": 0},
        {"sheet_steps": 0},
        {"warmup": -1},
        {"sheet_clips": -1},
        {"lora_rank": 4, "lora_alpha": float("nan")},
        {"lora_rank": 4, "lora_alpha": 1e5},
        {"seed": -1},
        {"seed": 2**64},
        {"lora_rank": 0},
        {"averages": (1.0,)},
        {"rate": -1.0},
        {"what": "decoder", "lora_rank": 4000},
        {"what": "autoencoder", "parallel": "fsdp"},
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=list(wrong)[-1]):
        OwnSettings(**wrong)


def test_a_batch_that_does_not_split_is_refused():
    with pytest.raises(ConfigError, match="multiple of 8"):
        OwnSettings(batch=12, accumulate=4).check_ranks(2)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["transformer", "autoencoder", "decoder"])
def test_a_clip_that_is_gone_is_named_and_the_others_are_trained_on(tmp_path, what):
    plan, lost = small_plan(tmp_path), []
    gone = plan.sources("train")[0]
    plan.path(next(clip for clip in plan.clips if clip.source == gone)).unlink()
    group = GroupRuns(plan, tmp_path / "cache", {})
    settings = small_settings(tmp_path, steps=2, what=what)
    result = group.one(tmp_path / "run", settings, Ranks(), on_lost=lost.extend)
    assert result.finished and [one.source for one in lost] == [gone]


@pytest.mark.parametrize("which", ["run", "cache"])
def test_a_folder_that_cannot_be_created_is_named(tmp_path, which):
    group = GroupRuns(small_plan(tmp_path), tmp_path / "cache", {})
    (tmp_path / which).write_text("a file, where a folder is to be")
    with pytest.raises(TrainingError, match=f"folder of the {which} '{which}' cannot be created"):
        group.one(tmp_path / "run", small_settings(tmp_path), Ranks())
