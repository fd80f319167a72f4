"""Resume keys hang on a version; other numbers need another version."""

import pytest

from sora_core.canvas.canvas import Canvas
from sora_core.pipeline import segment_runner
from sora_core.pipeline.generate import generate, load
from sora_core.resume.jobs import jobs
from sora_core.resume.version import RESULTS_VERSION
from tests.support.tiny import write_tiny
from tools.results_version import changed, read_record, sampled_numbers

LONG = Canvas(width=32, height=32, seconds=4)


class Stopped(BaseException):
    """Stops a generation; nothing may catch it."""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return load(write_tiny(tmp_path_factory.mktemp("models")))


def test_the_recorded_numbers_are_those_of_this_version():
    version, recorded = read_record(host=False)
    names = changed(recorded, sampled_numbers())
    assert not names, (
        f"{names} have changed: raise RESULTS_VERSION in sora_core/resume/version.py, then run "
        "`python -m tools.results_version`, so that no job resumes with parts that do not fit"
    )
    assert version == RESULTS_VERSION, "run `python -m tools.results_version` to record it"


def test_a_difference_beyond_rounding_is_a_change():
    recorded = {"a": [0.5, -2.0], "b": [1.0]}
    assert changed(recorded, {"a": [0.5005, -2.001], "b": [1.0]}) == []
    assert changed(recorded, {"a": [0.51, -2.0], "b": [1.0]}) == ["a"]
    assert changed(recorded, {"a": [0.5, -2.0]}) == ["b"]
    assert changed(recorded, {**recorded, "c": [1.0]}) == ["c"]


def generated(pipeline, folder, stop=None, **settings):
    """The latent, the steps that were computed, and the report; stopped after `stop` steps."""
    steps, reports = [], []

    def on_step(step):
        if len(steps) == stop:
            raise Stopped
        steps.append(step.index)

    try:
        latent = generate(
            pipeline,
            "a red ball",
            LONG,
            3,
            steps=2,
            jobs_folder=folder,
            on_step=on_step,
            on_report=reports.append,
            **settings,
        )
    except Stopped:
        return None, steps, ""
    return latent, steps, "".join(reports)


def test_the_core_resumes_where_it_was_stopped_to_the_same_bits(pipeline, tmp_path):
    whole, steps, _ = generated(pipeline, None)
    generated(pipeline, tmp_path, stop=len(steps) - 1)
    again, rest, report = generated(pipeline, tmp_path)
    assert again.equal(whole)
    assert len(rest) == 2  # of the last of three segments
    assert "2 parts and 2 predictions were already computed." in report


def test_another_version_resumes_nothing(pipeline, tmp_path, monkeypatch):
    generated(pipeline, tmp_path)
    monkeypatch.setattr(segment_runner, "RESULTS_VERSION", RESULTS_VERSION + 1)
    assert "already" not in generated(pipeline, tmp_path)[2]
    assert len(jobs(tmp_path)) == 2


@pytest.mark.parametrize("change", [{"guidance": 2.0}, {"negative": "blue"}, {"sampler": "heun"}])
def test_other_settings_resume_nothing(pipeline, tmp_path, change):
    generated(pipeline, tmp_path)
    assert "already" not in generated(pipeline, tmp_path, **change)[2]
