"""Limits on finished jobs: from ComfyUI's settings, a file or the defaults; the user sees them."""

import json
import os
import re
import time
from pathlib import Path

import folder_paths
import pytest
import torch
from sora_nodes.nodes.host.paths import JOBS_FOLDER
from sora_nodes.nodes.host.resume.job_limits import (
    DAYS_SETTING,
    GIGABYTES_SETTING,
    LIMITS_FILE,
    USER_SETTINGS,
    job_limits,
    tidy_jobs,
)
from sora_nodes.nodes.jobs import LISTED, NOTHING, SoraJobs
from sora_nodes.sora_core.resume.jobs import JOB_MANIFEST, Job
from sora_nodes.sora_core.resume.retention import DAY, JobLimits

from tools.host import ROOT


@pytest.fixture(autouse=True)
def user(tmp_path, monkeypatch):
    """The folder of the host's users."""
    monkeypatch.setattr(folder_paths, "user_directory", str(tmp_path / "user"))
    return tmp_path / "user"


def save_settings(user, name="default", **settings):
    (user / name).mkdir(parents=True, exist_ok=True)
    names = {"days": DAYS_SETTING, "gigabytes": GIGABYTES_SETTING}
    table = {names[key]: value for key, value in settings.items()}
    (user / name / USER_SETTINGS).write_text(json.dumps(table))


def save_file(output, text):
    (output / JOBS_FOLDER).mkdir(parents=True, exist_ok=True)
    (output / JOBS_FOLDER / LIMITS_FILE).write_text(text)


def test_the_page_saves_settings_of_the_names_that_the_server_reads_with_its_defaults():
    source = (ROOT / "web" / "job_settings.js").read_text("utf-8")
    entries = re.findall(r"limit\(\s*'(\w+)',\s*'.*',\s*'.*',\s*(\d+)", source)
    names = {f"Sora.Jobs.{name}": float(default) for name, default in entries}
    assert names == {DAYS_SETTING: JobLimits().days, GIGABYTES_SETTING: JobLimits().gigabytes}


def test_without_settings_the_defaults_hold():
    assert job_limits() == JobLimits()


def test_the_file_beside_the_jobs_replaces_the_defaults(output):
    save_file(output, '{"gigabytes": 3}')
    assert job_limits() == JobLimits(gigabytes=3)


def test_settings_of_the_page_replace_the_file(output, user):
    save_file(output, '{"gigabytes": 3, "days": 2}')
    save_settings(user, gigabytes=5)
    assert job_limits() == JobLimits(gigabytes=5, days=2)


def test_of_several_users_the_most_generous_one_decides(user):
    save_settings(user, "ann", gigabytes=5, days=7)
    save_settings(user, "ben", gigabytes=50, days=0)
    assert job_limits() == JobLimits(gigabytes=50, days=0)


DAMAGED = [
    "", "[]", "null", "{", '{"days": "x"}', '{"days": -1}', '{"days": true}', '{"days": NaN}',
    '{"gigabytes": 1e400}', "[" * 99999,
]  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_counts_as_not_there(output, user, text):
    save_file(output, text)
    (user / "default").mkdir(parents=True)
    (user / "default" / USER_SETTINGS).write_text(text)
    assert job_limits() == JobLimits()


def finished_job(output, key, days_ago):
    job = Job(output / JOBS_FOLDER, "shared", key, f"video {key}", 0, 1)
    job.part(0, key, lambda _: {"x": torch.zeros(1)})
    job.finish()
    used = time.time() - days_ago * DAY
    os.utime(job.folder / JOB_MANIFEST, (used, used))
    return job.folder


def test_a_sentence_names_what_was_removed_and_the_rest_stays(output, user):
    save_settings(user, days=10)
    folders = [finished_job(output, f"{days}", days) for days in (0, 5, 20, 40)]
    sentence = tidy_jobs()
    assert [folder.exists() for folder in folders] == [True, True, False, False]
    assert (
        "2 finished jobs" in sentence
        and "10 days" in sentence
        and "Settings, Sora, Jobs" in sentence
    )
    assert tidy_jobs() == ""


def test_the_list_of_jobs_ends_with_the_limits(output, user):
    save_settings(user, gigabytes=7, days=0)
    finished_job(output, "a", 0)
    last = SoraJobs.execute(NOTHING).args[0].splitlines()[-1]
    assert "7 GB" in last and "any age" in last


def test_of_many_jobs_the_last_used_have_lines_and_the_others_a_sum(output):
    folders = [finished_job(output, f"{i}", 0) for i in range(LISTED + 3)]
    lines = SoraJobs.execute(NOTHING).args[0].splitlines()
    assert len(lines) == LISTED + 2
    assert sum(Path(line.split()[0]).name in {f.name for f in folders} for line in lines) == LISTED
    assert lines[-2].startswith("and 3 older jobs")


def test_3000_jobs_cost_the_page_less_than_50_ms(output):
    for i in range(3000):
        (output / JOBS_FOLDER / f"{i:016x}").mkdir(parents=True)
    spent = []
    for _ in range(5):
        begun = time.process_time()
        info = SoraJobs.GET_NODE_INFO_V1()
        json.dumps(info)
        spent.append(time.process_time() - begun)
    print(f"\n3000 jobs: {min(spent) * 1e3:.1f} ms of the processor in /object_info")
    assert min(spent) < 0.05
