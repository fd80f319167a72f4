"""A plan of a folder: every file is a clip or has a reason, before anything is encoded."""

import json
import math
import os
import sys

import pytest
import torch
from PIL import Image

from sora_core.errors import ConfigError, TrainingError
from sora_core.training.own.clip_reader import clip_frames
from sora_core.training.own.fitting import clip_spans, cropped_share, fitted_sides
from sora_core.training.own.folder import plan_folder
from sora_core.training.own.plan import (
    HELD_OUT,
    TRAIN,
    PlanSettings,
    read_plan,
    table_lines,
    write_plan,
)
from tests.support.clips import captioned_clip, moving_file, picture_file
from tests.support.plans import planned, reasons, tokenizer


def test_every_file_is_a_clip_or_has_a_reason(tmp_path):
    captioned_clip(tmp_path, "good.mp4")
    moving_file(tmp_path / "silent.mp4", seed=1)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    (tmp_path / "song.mp3").write_bytes(b"ID3")
    (tmp_path / ".hidden").touch()
    plan = planned(tmp_path)
    assert [clip.source for clip in plan.clips] == ["good.mp4"]
    found = reasons(plan)
    assert set(found) == {"silent.mp4", "empty.mp4", "broken.mp4", "song.mp3"}
    assert "silent.txt" in found["silent.mp4"]
    assert "empty" in found["empty.mp4"]
    assert "not a type" in found["song.mp3"]


def test_hidden_clips_are_named_and_the_files_of_a_mac_are_not(tmp_path):
    captioned_clip(tmp_path, "good.mp4")
    captioned_clip(tmp_path, ".take2.mp4", seed=1)
    (tmp_path / "deep" / ".trash").mkdir(parents=True)
    for i in range(2):
        captioned_clip(tmp_path / "deep" / ".trash", f"{i}.mp4", seed=2 + i)
    for name in (".DS_Store", "._good.mp4", "deep/._1.mp4", ".git"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    plan = planned(tmp_path)
    assert [clip.source for clip in plan.clips] == ["good.mp4"]
    assert set(reasons(plan)) == {".take2.mp4", "deep/.trash"}
    assert all("hidden: rename it" in reason for reason in reasons(plan).values())


@pytest.mark.parametrize(
    ("width", "height"), [(3840, 2160), (1080, 1920), (64, 64), (50, 70), (2000, 16), (640, 480)]
)
@pytest.mark.parametrize("area", [64 * 64, 256 * 256])
def test_fitted_sides_are_multiples_of_16_within_the_area_and_never_larger(width, height, area):
    new = fitted_sides(width, height, area)
    assert all(side % 16 == 0 and side >= 16 for side in new)
    assert new[0] * new[1] <= area
    assert new[0] <= width and new[1] <= height


def test_the_shape_of_the_picture_stays():
    assert fitted_sides(3840, 2160, 64 * 64) == (80, 48)
    assert fitted_sides(2160, 3840, 64 * 64) == (48, 80)
    assert cropped_share(3840, 2160, *fitted_sides(3840, 2160, 256 * 256)) < 0.03


@pytest.mark.parametrize("frames", range(1, 60))
@pytest.mark.parametrize("longest", [1, 5, 17])
def test_parts_of_a_file_follow_one_another_and_all_frames_are_accounted_for(frames, longest):
    parts, unused = clip_spans(frames, longest, 100)
    reached = 0
    for first, count in parts:
        assert first == reached and count % 4 == 1 and count <= longest
        reached += count
    assert reached + unused == frames
    assert unused < 5 or longest == 1


def test_a_long_file_becomes_clips_in_turn_and_the_rest_is_stated(tmp_path):
    captioned_clip(tmp_path, "long.mp4", frames=40, fps=8)
    plan = planned(tmp_path, frames=17)
    assert [(clip.start, clip.frames) for clip in plan.clips] == [
        (0, 17),
        (17 / 8, 17),
        (34 / 8, 5),
    ]
    assert "1 frames" in plan.clips[0].notes[-1]


def test_more_parts_than_allowed_are_stated_as_not_used(tmp_path):
    captioned_clip(tmp_path, "long.mp4", frames=40, fps=8)
    (clip,) = planned(tmp_path, frames=17, parts=1).clips
    assert "2.88 s (23 frames) not used" in clip.notes


def test_one_frame_and_too_few_frames_are_stills_and_noted(tmp_path):
    captioned_clip(tmp_path, "one.mp4", frames=1)
    captioned_clip(tmp_path, "three.mp4", seed=1, frames=3)
    picture_file(tmp_path / "picture.png")
    (tmp_path / "picture.txt").write_text("a picture")
    plan = planned(tmp_path)
    assert [clip.frames for clip in plan.clips] == [1, 1, 1]
    assert ["still" in " ".join(clip.notes) for clip in plan.clips] == [True, False, True]


def test_a_vertical_4k_clip_is_scaled_and_keeps_its_shape(tmp_path):
    captioned_clip(tmp_path, "4k.mp4", frames=2, width=2160, height=3840)
    (clip,) = planned(tmp_path).clips
    assert (clip.width, clip.height, clip.frames) == (48, 80, 1)
    assert any(note.startswith("scaled from 2160x3840") for note in clip.notes)
    assert clip_frames(tmp_path / "4k.mp4", clip).shape == (1, 80, 48, 3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in folders are a matter of Unix")
def test_pipes_and_links_are_left_out_with_the_reason(tmp_path):
    """Opening a pipe would wait for ever; a link to a folder could lead round in a circle."""
    (tmp_path / "clips").mkdir()
    captioned_clip(tmp_path / "clips", "a.mp4")
    os.mkfifo(tmp_path / "clips" / "pipe.mp4")
    (tmp_path / "clips" / "loop").symlink_to("..")
    (tmp_path / "clips" / "broken.mp4").symlink_to("nowhere.mp4")
    found = reasons(planned(tmp_path / "clips"))
    assert set(found) == {"pipe.mp4", "loop", "broken.mp4"}
    assert found["pipe.mp4"] == "not a regular file" and "link to a folder" in found["loop"]


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_an_animated_picture_is_left_out_with_the_reason(tmp_path, suffix):
    captioned_clip(tmp_path, "whole.mp4")
    first, *others = (Image.new("RGB", (32, 32), (40 * i, 0, 0)) for i in range(1, 5))
    first.save(tmp_path / f"a{suffix}", save_all=True, append_images=others)
    (tmp_path / "a.txt").write_text("it grows red")
    assert "an animation; save its picture as PNG" in reasons(planned(tmp_path))[f"a{suffix}"]


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
def test_a_name_with_line_breaks_and_terminal_commands_stays_on_its_line(tmp_path):
    captioned_clip(tmp_path, "two\nlines\x1b[2J.mp4")
    plan = planned(tmp_path)
    assert any("two?lines?[2J.mp4" in line for line in table_lines(plan))
    assert len("\n".join(table_lines(plan)).splitlines()) == len(list(table_lines(plan)))


@pytest.mark.skipif(sys.platform != "linux", reason="others refuse such names")
def test_a_name_that_is_no_utf8_is_planned_and_survives_the_file(tmp_path):
    clips, name = tmp_path / "clips", os.fsdecode(b"caf\xe9.mp4")
    clips.mkdir()
    captioned_clip(clips, name)
    write_plan(tmp_path / "plan.json", planned(clips))
    assert read_plan(tmp_path / "plan.json").clips[0].source == name


def test_the_same_content_twice_is_used_once(tmp_path):
    path = captioned_clip(tmp_path, "a.mp4")
    captioned_clip(tmp_path, "b.mp4").write_bytes(path.read_bytes())
    plan = planned(tmp_path)
    assert reasons(plan) == {"b.mp4": "the same content as a.mp4"}


def test_the_held_out_split_is_by_file_and_independent_of_names(tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, prefix in zip(folders, "xy", strict=True):
        folder.mkdir()
        for i in range(6):
            captioned_clip(folder, f"{prefix}{i}.mp4", seed=i, frames=40, fps=8)
    plans = [planned(folder, held_out=0.34) for folder in folders]
    for plan in plans:
        assert not set(plan.sources(TRAIN)) & set(plan.sources(HELD_OUT))
        assert len(plan.sources(HELD_OUT)) == 2
    names = [sorted(name[1:] for name in plan.sources(HELD_OUT)) for plan in plans]
    assert names[0] == names[1]


def test_clips_of_one_film_share_a_split(tmp_path):
    rows = []
    for i in range(8):
        captioned_clip(tmp_path, f"{i}.mp4", seed=i)
        rows.append({"file_name": f"{i}.mp4", "source": f"film {i % 3}"})
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    plan = planned(tmp_path, held_out=0.3)
    films = [{clip.film for clip in plan.of_split(split)} for split in (TRAIN, HELD_OUT)]
    assert len(films[1]) == 1 and len(films[0]) == 2 and not films[0] & films[1]


def test_few_files_hold_nothing_out_and_the_plan_says_so(tmp_path):
    captioned_clip(tmp_path, "a.mp4")
    plan = planned(tmp_path)
    assert not plan.of_split(HELD_OUT) and "nothing is held out" in plan.warnings[0]


def test_a_plan_returns_from_its_file_as_it_was(tmp_path):
    captioned_clip(tmp_path, "a.mp4", frames=40)
    (tmp_path / "metadata.csv").write_text("file_name,actions\na.mp4,1;2;3;4;5\n")
    (tmp_path / "broken.mp4").write_bytes(b"x")
    plan = planned(tmp_path)
    write_plan(tmp_path / "plan.json", plan)
    assert read_plan(tmp_path / "plan.json") == plan


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"format": "sora plan 1"}', "\0"])
def test_a_damaged_plan_is_refused_in_a_sentence(tmp_path, damage):
    (tmp_path / "plan.json").write_text(damage)
    with pytest.raises(TrainingError, match="no plan"):
        read_plan(tmp_path / "plan.json")


def test_a_plan_cannot_name_files_outside_of_its_folder(tmp_path):
    captioned_clip(tmp_path, "a.mp4")
    write_plan(tmp_path / "plan.json", planned(tmp_path))
    text = (tmp_path / "plan.json").read_text().replace('"a.mp4"', '"../a.mp4"')
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(TrainingError, match="outside"):
        read_plan(tmp_path / "plan.json")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fps", 0),
        ("fps", -8),
        ("fps", "8"),
        ("fps", math.nan),
        ("start", -5),
        ("start", math.inf),
        ("width", 63),
        ("height", "64"),
        ("frames", 6),
        ("frames", True),
        ("caption", None),
        ("content", "x"),
        ("film", [1]),
        ("actions", [[1, 2], 3]),
        ("actions", [[1, 2], [3]]),
    ],
)
def test_a_plan_edited_to_an_impossible_clip_is_refused(tmp_path, name, value):
    captioned_clip(tmp_path, "a.mp4")
    write_plan(tmp_path / "plan.json", planned(tmp_path))
    values = json.loads((tmp_path / "plan.json").read_text())
    values["clips"][0][name] = value
    (tmp_path / "plan.json").write_text(json.dumps(values))
    with pytest.raises(TrainingError, match="no plan"):
        read_plan(tmp_path / "plan.json")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"frames": 16}, "choose 13 or 17"),
        ({"area": 10}, "area"),
        ({"fps": 0}, "fps"),
        ({"held_out": 1.0}, "held-out"),
        ({"parts": 0}, "parts"),
    ],
)
def test_bad_settings_name_the_limit(settings, words):
    with pytest.raises(ConfigError, match=words):
        PlanSettings(**settings)


def test_a_folder_without_a_usable_file_is_refused_with_the_first_reason(tmp_path):
    with pytest.raises(TrainingError, match="no media files"):
        planned(tmp_path)
    (tmp_path / "a.mp4").touch()
    with pytest.raises(TrainingError, match="the file is empty"):
        planned(tmp_path)
    with pytest.raises(TrainingError, match="no folder"):
        planned(tmp_path / "nothing")


def test_the_table_has_each_clip_and_each_reason(tmp_path):
    captioned_clip(tmp_path, "a.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"x")
    text = "\n".join(table_lines(planned(tmp_path)))
    assert "a.mp4" in text and "left out: broken.mp4" in text


def test_planning_can_be_stopped(tmp_path):
    captioned_clip(tmp_path, "a.mp4")

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan_folder(tmp_path, PlanSettings(), tokenizer(), stop)


def test_the_bytes_of_the_cache_are_foreseen(tmp_path):
    captioned_clip(tmp_path, "a.mp4", width=64, height=64, frames=17)
    (clip,) = planned(tmp_path).clips
    cells = torch.zeros(16, *clip.grid.shape).half()
    assert cells.nbytes < clip.cache_bytes < cells.nbytes + 128 * 768 + 2000
