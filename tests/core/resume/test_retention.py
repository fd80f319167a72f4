"""Finished jobs go by age and size, the oldest first; running and unfinished ones stay."""

import os
import time
from subprocess import PIPE, Popen
from sys import executable

import pytest
import torch

from sora_core.errors import ConfigError
from sora_core.resume.jobs import JOB_MANIFEST, Job, jobs, remove
from sora_core.resume.retention import (
    DAY,
    JobLimits,
    job_folders,
    remove_expired,
    running,
)

NOW = time.time()
SIZE = 250_000  # values of a part: 1 MB
NO_LIMIT = JobLimits(gigabytes=0, days=0)


def job(root, key, days_ago, *, finished=True, size=SIZE):
    """The folder of a job of one part that was last used `days_ago`."""
    begun = Job(root, "shared", key, f"video {key}", 0, 1)
    begun.part(0, key, lambda _: {"x": torch.zeros(size)})
    if finished:
        begun.finish()
    used = NOW - days_ago * DAY
    os.utime(begun.folder / JOB_MANIFEST, (used, used))
    os.utime(begun.folder, (used, used))
    return begun.folder


@pytest.fixture
def five(tmp_path):
    """Jobs of 1 MB that were last used 0 to 4 days ago, the newest first."""
    return [job(tmp_path, f"{days}", days) for days in range(5)]


def left(root):
    return set(jobs(root))


def test_without_limits_all_jobs_stay(tmp_path, five):
    assert remove_expired(tmp_path, NO_LIMIT, NOW).names == ()
    assert left(tmp_path) == set(five)


def test_jobs_unused_for_longer_than_the_days_go(tmp_path, five):
    removed = remove_expired(tmp_path, JobLimits(gigabytes=0, days=2.5), NOW)
    assert set(removed.names) == {folder.name for folder in five[3:]}
    assert left(tmp_path) == set(five[:3])


def test_the_oldest_jobs_beyond_the_bytes_go_and_their_bytes_are_reported(tmp_path, five):
    removed = remove_expired(tmp_path, JobLimits(gigabytes=0.0031, days=0), NOW)
    assert left(tmp_path) == set(five[:3])
    assert removed.bytes == pytest.approx(2e6, rel=0.01)


def test_a_small_old_job_stays_where_a_larger_newer_one_frees_enough(tmp_path):
    newest = job(tmp_path, "newest", 0)
    large = job(tmp_path, "large", 1, size=4 * SIZE)
    small = job(tmp_path, "small", 2)
    remove_expired(tmp_path, JobLimits(gigabytes=0.0025, days=0), NOW)
    assert left(tmp_path) == {newest, small} and not large.exists()


def test_the_last_used_job_stays_whatever_its_size_and_age(tmp_path):
    only = job(tmp_path, "only", 400)
    remove_expired(tmp_path, JobLimits(gigabytes=1e-9, days=1e-9), NOW)
    assert left(tmp_path) == {only}


def test_a_job_of_a_clock_that_was_ahead_is_not_taken_for_the_last_used(tmp_path):
    """It would stay for ever, and the job that has just ended would go in its place."""
    ahead, just, older = (job(tmp_path, f"{days}", days) for days in (-3000, 0, 1))
    limits = JobLimits(gigabytes=0.0021, days=30)
    assert remove_expired(tmp_path, limits, NOW).names == (ahead.name,)
    assert left(tmp_path) == {just, older}


def test_the_days_of_a_job_of_a_clock_that_was_ahead_begin_now(tmp_path):
    ahead, _ = job(tmp_path, "ahead", -3000), job(tmp_path, "now", 0)
    limits = JobLimits(gigabytes=0, days=30)
    assert remove_expired(tmp_path, limits, NOW).names == ()
    job(tmp_path, "later", -29)
    assert remove_expired(tmp_path, limits, NOW + 29 * DAY).names == ()
    assert ahead.name in remove_expired(tmp_path, limits, NOW + 31 * DAY).names


def test_unfinished_and_damaged_jobs_stay(tmp_path, five):
    stopped = job(tmp_path, "stopped", 90, finished=False)
    damaged = job(tmp_path, "damaged", 90)
    (damaged / JOB_MANIFEST).write_text("{")
    remove_expired(tmp_path, JobLimits(days=0.5), NOW)
    assert left(tmp_path) == {five[0], stopped, damaged}


def test_a_finished_job_that_runs_again_stays_until_it_ends(tmp_path, five):
    with running(five[4]):
        remove_expired(tmp_path, JobLimits(days=0.5), NOW)
        assert left(tmp_path) == {five[0], five[4]}
    remove_expired(tmp_path, JobLimits(days=0.5), NOW)
    assert left(tmp_path) == {five[0]}


HOLD = """
import sys
from pathlib import Path
from sora_core.resume.retention import running
with running(Path(sys.argv[1])):
    print("runs", flush=True)
    sys.stdin.read()
"""


def test_a_job_that_another_process_runs_stays_and_goes_once_that_is_killed(tmp_path, five):
    with Popen([executable, "-c", HOLD, str(five[4])], stdin=PIPE, stdout=PIPE) as other:
        assert other.stdout.readline() == b"runs\n"
        remove_expired(tmp_path, JobLimits(days=0.5), NOW)
        assert left(tmp_path) == {five[0], five[4]}
        other.kill()
    remove_expired(tmp_path, JobLimits(days=0.5), NOW)
    assert left(tmp_path) == {five[0]}


def test_a_job_can_be_removed_by_hand_while_it_runs(five):
    with running(five[1]):
        remove(five[1])
    assert not five[1].exists()


def test_files_that_are_not_ours_stay_in_the_folder_of_a_job(tmp_path, five):
    (five[4] / "notes.txt").write_text("mine")
    removed = remove_expired(tmp_path, JobLimits(days=3.5), NOW)
    assert [*five[4].iterdir()] == [five[4] / "notes.txt"] and removed.names == ()


@pytest.mark.parametrize("numbers", [(-1, 0), (0, -1), (float("nan"), 0), (0, float("inf"))])
def test_limits_that_are_no_numbers_from_0_on_are_refused(numbers):
    with pytest.raises(ConfigError, match="0 or more"):
        JobLimits(*numbers)


def test_job_folders_are_those_of_jobs_the_last_written_first(tmp_path, five):
    (tmp_path / "0123").mkdir()
    (tmp_path / "limits.json").write_text("{}")
    (tmp_path / "0123456789abcdeg").mkdir()
    (tmp_path / "0123456789abcdef").symlink_to(five[0])
    assert job_folders(tmp_path) == five
    assert job_folders(tmp_path / "none") == []


def test_3000_jobs_are_listed_in_less_than_50_ms(tmp_path):
    for i in range(3000):
        (tmp_path / f"{i:016x}").mkdir()
    spent = []
    for _ in range(5):
        begun = time.process_time()
        assert len(job_folders(tmp_path)) == 3000
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.05
