"""The folder of a run under mishaps: two runs, changed clips, a full disk, an end at any moment."""

import json
import multiprocessing
import os
import signal
from contextlib import contextmanager
from dataclasses import replace
from shutil import copytree

import pytest
import torch

from sora_core.checkpoints.safetensors_io import read_header, read_tensors
from sora_core.errors import SoraError, TrainingError
from sora_core.training.distributed import Ranks
from sora_core.training.own.plan import read_plan
from sora_core.training.own.run_lock import locked_run
from tests.support.own_runs import GroupRuns, losses, small_plan, small_settings

QUICK = {"steps": 4, "save_every": 2, "validate_every": 2, "sheet_clips": 0}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with clips, a tiny model, a cache, and `whole`, a run that was never interrupted."""
    folder = tmp_path_factory.mktemp("own")
    group = GroupRuns(small_plan(folder), folder / "cache", {})
    group.one(folder / "whole", small_settings(folder, **QUICK), Ranks())
    return folder, group


def weights(run):
    return read_tensors(run / "last.safetensors", prefix="transformer.")


def same_end(run, whole):
    ends = weights(run), weights(whole)
    assert losses(run) == losses(whole)
    return all(torch.equal(ends[0][name], ends[1][name]) for name in ends[1])


def validated_steps(run):
    lines = map(json.loads, (run / "history.jsonl").read_text().splitlines())
    return [line["step"] for line in lines if "held_out/mean" in line]


def copied_clips(group, folder):
    """The plan of a copy of the clips, which may be changed."""
    copytree(group.plan.folder, folder)
    return replace(group, plan=replace(group.plan, folder=str(folder)))


def hold(folder, held, release):
    with locked_run(folder):
        held.set()
        release.wait(60)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows locks no folders")
def test_a_second_run_in_a_folder_is_refused_and_the_first_goes_on(small, tmp_path):
    folder, group = small
    run = tmp_path / "run"
    run.mkdir()
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(run, held, release))
    process.start()
    try:
        assert held.wait(60)
        with pytest.raises(TrainingError, match="another process trains in 'run'"):
            group.one(run, small_settings(folder, **QUICK), Ranks())
    finally:
        release.set()
        process.join()
    assert group.one(run, small_settings(folder, **QUICK), Ranks()).finished


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.parametrize("phase", ["encode", "save", "validate", "page", "export"])
def test_a_run_killed_in_any_phase_ends_as_one_never_interrupted(small, tmp_path, phase):
    folder, group = small
    group = replace(group, cache=tmp_path / "cache")
    child = os.fork()
    if not child:
        try:
            kill_in(phase)
            group.one(tmp_path / "run", small_settings(folder, **QUICK), Ranks())
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert group.one(tmp_path / "run", small_settings(folder, **QUICK), Ranks()).finished
    assert same_end(tmp_path / "run", folder / "whole")
    assert validated_steps(tmp_path / "run") == validated_steps(folder / "whole") == [2, 4]
    best, whole = (path / "best.safetensors" for path in (tmp_path / "run", folder / "whole"))
    assert read_header(best).tensors.keys() == read_header(whole).tensors.keys()
    assert not list((tmp_path / "run").glob("*.part"))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.parametrize("file", ["averages/00000002.safetensors", "best.safetensors", "run.json"])
def test_a_file_half_written_when_the_run_was_killed_is_removed_by_the_next_call(
    small, tmp_path, file
):
    folder, group = small
    run, replace_file = tmp_path / "run", os.replace

    def deadly(unfinished, path):
        if path == run / file:
            os.kill(os.getpid(), signal.SIGKILL)
        replace_file(unfinished, path)

    child = os.fork()
    if not child:
        try:
            os.replace = deadly
            group.one(run, small_settings(folder, **QUICK), Ranks())
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    (half,) = (run / file).parent.glob(".*.part.*")
    assert half.stat().st_size
    mine = half.with_name(".mine.part.txt")
    mine.write_text("of the user")
    assert group.one(run, small_settings(folder, **QUICK), Ranks()).finished
    assert same_end(run, folder / "whole") and list(run.rglob(".*.part.*")) == [mine]


def kill_in(phase):
    """Makes this process end by SIGKILL the second time that it comes to `phase`."""
    from sora_core.training import sharded_checkpoint
    from sora_core.training.own import cache, reporting, run, task

    module, name = {
        "encode": (cache, "write_cached"),
        "save": (sharded_checkpoint.ShardedFolder, "_finish"),
        "validate": (task, "held_out_losses"),
        "page": (reporting, "write_page"),
        "export": (run, "write_tuned"),
    }[phase]
    call, calls = getattr(module, name), []

    def deadly(*values, **more):
        calls.append(name)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*values, **more)

    setattr(module, name, deadly)


@pytest.mark.slow
def test_a_run_whose_folder_was_moved_continues_to_the_same_numbers(small, tmp_path):
    folder, group = small
    group.one(tmp_path / "a", small_settings(folder, **QUICK, until=2), Ranks())
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a").rename(tmp_path / "elsewhere" / "b")
    group.one(tmp_path / "elsewhere" / "b", small_settings(folder, **QUICK), Ranks())
    assert same_end(tmp_path / "elsewhere" / "b", folder / "whole")


@pytest.mark.slow
def test_a_caption_edited_after_the_plan_is_reported_and_that_of_the_plan_is_used(small, tmp_path):
    folder, group = small
    group, notes = copied_clips(group, tmp_path / "clips"), []
    (tmp_path / "clips" / "square0.txt").write_text("edited since")
    settings = small_settings(folder, **QUICK)
    group.one(tmp_path / "run", settings, Ranks(), on_note=notes.append)
    assert len(notes) == 1 and notes[0].startswith("The caption of square0.mp4 has changed")
    assert "square0.mp4 has changed" in (tmp_path / "run" / "report.html").read_text()
    assert same_end(tmp_path / "run", folder / "whole")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda clips: clips[1:], "is gone"),
        (lambda clips: (replace(clips[0], caption="another"), *clips[1:]), "another content, cap"),
        (lambda clips: (*clips, replace(clips[0], source="new.mp4")), "'new.mp4@0' is new"),
    ],
)
def test_a_resumed_run_names_the_clip_that_differs(small, change, words):
    folder, group = small
    other = replace(group, plan=replace(group.plan, clips=change(group.plan.clips)))
    with pytest.raises(TrainingError, match=words):
        other.one(folder / "whole", small_settings(folder, **QUICK), Ranks())


@pytest.mark.slow
def test_a_run_continues_with_its_own_plan_though_a_clip_is_gone(small, tmp_path):
    folder, group = small
    group = copied_clips(group, tmp_path / "clips")
    group.one(tmp_path / "run", small_settings(folder, **QUICK, until=2), Ranks())
    (tmp_path / "clips" / "square0.mp4").unlink()
    own = replace(group, plan=read_plan(tmp_path / "run" / "plan.json"))
    assert own.plan == group.plan
    own.one(tmp_path / "run", small_settings(folder, **QUICK), Ranks())
    assert same_end(tmp_path / "run", folder / "whole")


@pytest.mark.parametrize("mishap", ["gone", "changed"])
def test_a_file_lost_after_it_was_cached_is_reported_where_its_pixels_are_trained(
    small, tmp_path, mishap
):
    folder, group = small
    group, lost = copied_clips(group, tmp_path / "clips"), []
    source = group.plan.sources("train")[0]
    path = tmp_path / "clips" / source
    if mishap == "gone":
        path.unlink()
    else:
        path.write_bytes((tmp_path / "clips" / group.plan.sources("train")[1]).read_bytes())
    settings = small_settings(folder, steps=1, what="autoencoder", sheet_clips=0)
    group.one(tmp_path / "run", settings, Ranks(), on_lost=lost.extend)
    assert [one.source for one in lost] == [source]
    assert mishap in lost[0].reason


@contextmanager
def full_disk(limit):
    """Refuses files of more than `limit` bytes, as the kernel does."""
    resource = pytest.importorskip("resource", reason="limits on files are a matter of Unix")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0, 900, 5000, 100_000])
def test_a_full_disk_is_a_sentence_at_any_moment_and_the_run_continues(small, tmp_path, limit):
    folder, group = small
    settings = small_settings(folder, **QUICK)
    group.one(tmp_path / "run", replace(settings, until=2), Ranks())
    with full_disk(limit), pytest.raises(SoraError) as refused:
        group.one(tmp_path / "run", settings, Ranks())
    assert any(word in str(refused.value) for word in ("space", "written", "disk"))
    group.one(tmp_path / "run", settings, Ranks())
    assert same_end(tmp_path / "run", folder / "whole")


@pytest.mark.slow
def test_a_run_leaves_no_thread_behind(small, tmp_path):
    """TensorBoard's writer has one, which would write into a folder that is gone."""
    import threading

    folder, group = small
    before = set(threading.enumerate())
    group.one(tmp_path / "run", small_settings(folder, **QUICK), Ranks())
    assert set(threading.enumerate()) <= before
