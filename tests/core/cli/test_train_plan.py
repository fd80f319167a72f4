"""`python -m sora_core train plan`: the plan on screen and as JSON, before any work."""

import json

import pytest

from sora_core.__main__ import main
from sora_core.training.own.plan import read_plan
from tests.support.clips import captioned_clip
from tests.support.tiny import write_tiny


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for i in range(2):
        captioned_clip(folder, f"{i}.mp4", seed=i)
    (folder / "broken.mp4").write_bytes(b"x")
    return folder


def planned(folder, tmp_path, *options):
    model = write_tiny(tmp_path / "model")
    cache = str(tmp_path / "cache")
    return main(["train", "plan", str(folder), "--model", str(model), "--cache", cache, *options])


def test_the_plan_is_on_screen_and_in_the_file(folder, tmp_path, capsys):
    assert planned(folder, tmp_path, "--json", str(tmp_path / "plan.json")) == 0
    text = capsys.readouterr().out
    assert "0.mp4" in text and "left out: broken.mp4" in text and "a step of" in text
    plan = read_plan(tmp_path / "plan.json")
    assert [clip.source for clip in plan.clips] == ["0.mp4", "1.mp4"]
    assert plan.estimates is not None and plan.estimates.step_seconds > 0


def test_nothing_but_the_plan_is_written(folder, tmp_path):
    before = sorted(path.name for path in folder.iterdir())
    planned(folder, tmp_path, "--json", str(tmp_path / "plan.json"))
    assert sorted(path.name for path in folder.iterdir()) == before
    assert not (tmp_path / "cache").exists()


def test_encode_fills_the_cache(folder, tmp_path):
    assert planned(folder, tmp_path, "--encode") == 0
    assert len(list((tmp_path / "cache/latents").iterdir())) == 2
    assert len(list((tmp_path / "cache/text").iterdir())) == 1


def test_a_larger_model_costs_more(folder, tmp_path):
    costs = []
    for batch in ("1", "8"):
        planned(folder, tmp_path, "--json", str(tmp_path / "plan.json"), "--batch", batch)
        costs.append(json.loads((tmp_path / "plan.json").read_text())["estimates"])
    assert costs[1]["step_tokens"] == 8 * costs[0]["step_tokens"]
    assert costs[1]["memory_bytes"] > costs[0]["memory_bytes"]


def test_bad_options_are_a_sentence(folder, tmp_path, capsys):
    assert planned(folder, tmp_path, "--frames", "16") == 2
    assert "choose 13 or 17" in capsys.readouterr().err
    assert planned(tmp_path / "nothing", tmp_path) == 2
    assert "is no folder" in capsys.readouterr().err
