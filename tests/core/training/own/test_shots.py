"""Shots by PySceneDetect: no clip crosses a cut, and its absence is a sentence."""

import builtins
import sys
from types import ModuleType

import pytest

from sora_core.errors import ConfigError
from sora_core.training.own import folder as folder_module
from sora_core.training.own.shots import ShotSpan, detect_shots
from tests.support.clips import captioned_clip, picture_file
from tests.support.plans import planned


def planned_with(shots, folder, monkeypatch):
    monkeypatch.setattr(folder_module, "detect_shots", lambda path: shots)
    return planned(folder, shots=True)


def test_no_clip_crosses_a_cut(tmp_path, monkeypatch):
    captioned_clip(tmp_path, "a.mp4", frames=48, fps=8)
    shots = [ShotSpan(0, 1.9), ShotSpan(2.0, 2.3), ShotSpan(2.4, 6)]
    plan = planned_with(shots, tmp_path, monkeypatch)
    assert plan.clips
    for clip in plan.clips:
        end = clip.start + clip.frames / clip.fps
        assert any(shot.start <= clip.start and end <= shot.end + 1e-6 for shot in shots)
    assert "3 shots" in plan.clips[0].notes


def test_one_shot_is_the_whole_file(tmp_path, monkeypatch):
    captioned_clip(tmp_path, "a.mp4")
    (clip,) = planned_with([], tmp_path, monkeypatch).clips
    assert (clip.start, clip.frames) == (0, 17)


def test_without_pyscenedetect_the_sentence_has_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scenedetect", None)
    with pytest.raises(ConfigError, match="pip install scenedetect"):
        detect_shots(tmp_path / "a.mp4")


def test_without_pyscenedetect_no_plan_is_of_the_images_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scenedetect", None)
    captioned_clip(tmp_path, "a.mp4")
    picture_file(tmp_path / "b.png").with_suffix(".txt").write_text("a thing")
    with pytest.raises(ConfigError, match="pip install scenedetect"):
        planned(tmp_path, shots=True)


def test_shots_leave_out_the_moments_next_to_a_cut(tmp_path, monkeypatch):
    class Moment(float):
        def get_seconds(self):
            return float(self)

    package = ModuleType("scenedetect")
    package.ContentDetector = object
    package.VideoOpenFailure = type("VideoOpenFailure", (builtins.Exception,), {})
    package.detect = lambda path, detector: [(Moment(0), Moment(2)), (Moment(2), Moment(5))]
    monkeypatch.setitem(sys.modules, "scenedetect", package)
    assert detect_shots(tmp_path / "a.mp4") == [ShotSpan(0, 1.95), ShotSpan(2.05, 5)]
