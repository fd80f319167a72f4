"""Sora Jobs lists the cached long videos, and removes only the chosen ones."""

import pytest
import torch
from sora_nodes.nodes.host.paths import JOBS_FOLDER
from sora_nodes.nodes.jobs import ALL, FINISHED, NOTHING, SoraJobs, clearable
from sora_nodes.sora_core.errors import ConfigError
from sora_nodes.sora_core.resume.jobs import JOB_MANIFEST, Job


@pytest.fixture
def preserved(output):
    """The names of a finished job, one that was stopped, and one whose manifest is damaged."""
    result = [Job(output / JOBS_FOLDER, "way", f"key {i}", f"video {i}", i, 2) for i in range(3)]
    for job, parts in zip(result, (2, 1, 1), strict=True):
        for part in range(parts):
            job.part(part, f"part {part}", lambda _: {"x": torch.zeros(1)})
    result[0].finish()
    (result[2].folder / JOB_MANIFEST).write_text("{")
    return [job.folder.name for job in result]


def listed(clear=NOTHING):
    return SoraJobs.execute(clear).args[0]


def test_each_job_is_a_line_with_what_is_done(preserved):
    finished, stopped, damaged = (
        next(line for line in listed().splitlines() if line.startswith(name)) for name in preserved
    )
    assert "finished, 2 parts" in finished and finished.endswith("video 0")
    assert "1 of 2 parts" in stopped and stopped.endswith("video 1")
    assert "damaged" in damaged


@pytest.mark.parametrize("clear, left", [(NOTHING, {0, 1, 2}), (FINISHED, {1, 2}), (ALL, set())])
def test_what_is_chosen_goes_and_the_rest_stays(preserved, clear, left):
    listed(clear)
    assert set(clearable()) - {NOTHING, FINISHED, ALL} == {preserved[i] for i in left}


def test_a_job_that_cannot_be_removed_does_not_keep_the_others(preserved, output):
    (output / JOBS_FOLDER / preserved[1] / JOB_MANIFEST).unlink()
    (output / JOBS_FOLDER / preserved[1] / JOB_MANIFEST).mkdir()
    text = listed(ALL)
    assert set(clearable()) - {NOTHING, FINISHED, ALL} == {preserved[1]}
    assert "not removed" in text and preserved[1] in text


def test_one_job_is_removed_by_its_name(preserved):
    listed(preserved[1])
    assert preserved[1] not in clearable() and preserved[0] in clearable()


@pytest.mark.parametrize("name", ["..", "../output", "/", "", "0123456789abcdef"])
def test_what_is_no_job_is_refused(preserved, name):
    with pytest.raises(ConfigError):
        listed(name)
    assert len(clearable()) == 6


def test_without_jobs_it_says_so_and_it_runs_each_time():
    assert listed() == "no jobs"
    asked = SoraJobs.fingerprint_inputs(NOTHING)
    assert asked != asked
