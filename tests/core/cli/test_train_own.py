"""`train own` and `train plan-ranks`: one command from a folder to a result, and refusals."""

import pytest

from sora_core.__main__ import main
from tests.support.own_runs import small_plan, small_settings

FEW = ("--frames", "9", "--size", "48x32", "--steps", "2", "--batch", "2", "--held-out", "0.4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    small_plan(folder)
    small_settings(folder)
    return folder


def train(folder, *more):
    arguments = ("--model", folder / "tiny.safetensors", "--cache", folder / "cache")
    command = ("train", "own", folder / "clips", "--out", folder / "run", *arguments, *FEW, *more)
    return main([str(part) for part in command])


def test_one_command_trains_from_a_folder_and_says_where_the_result_is(folder, capsys):
    assert train(folder, "--device", "cpu") == 0
    out = capsys.readouterr().out
    assert "step 2/2" in out and f"done: {folder / 'run' / 'best.safetensors'}" in out
    assert (folder / "run" / "report.html").exists()


def test_a_folder_with_a_run_needs_resume(folder, capsys):
    assert train(folder, "--device", "cpu") == 2
    assert "add --resume" in capsys.readouterr().err
    assert train(folder, "--device", "cpu", "--resume") == 0


def test_a_device_that_is_not_here_is_refused(folder, capsys):
    assert train(folder, "--device", "cuda", "--resume") == 2
    assert "this machine has none" in capsys.readouterr().err


def test_plan_ranks_prints_a_line_for_each_number_of_processes(capsys):
    assert main(["train", "plan-ranks", "huge", "--ranks", "1", "8", "64"]) == 0
    head, _, *lines = capsys.readouterr().out.strip().splitlines()
    assert head.startswith("huge: 7.53 B parameters")
    assert [line.split()[0] for line in lines] == ["1", "8", "64"]


def test_either_a_folder_or_a_plan_of_one_is_trained_on(folder, tmp_path, capsys):
    plan, own = tmp_path / "plan.json", ("--model", str(folder / "tiny.safetensors"))
    clips, cache = str(folder / "clips"), ("--cache", str(folder / "cache"))
    sizes = FEW[:4]
    assert main(["train", "plan", clips, *sizes, *own, *cache, "--json", str(plan)]) == 0
    assert main(["train", "own", *own, "--out", str(tmp_path / "a")]) == 2
    assert main(["train", "own", clips, "--plan", str(plan), *own]) == 2
    assert capsys.readouterr().err.count("--plan FILE") == 2
    few = ("--steps", "2", "--batch", "2", "--device", "cpu")
    command = ["train", "own", "--plan", str(plan), *own, *cache, *few]
    assert main([*command, "--out", str(tmp_path / "b")]) == 0
