"""`train own` and `train plan-ranks`: one command from a folder to a result, and refusals."""

import signal
from shutil import copytree

import pytest

from sora_core.__main__ import main
from sora_core.cli import train_own
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


@pytest.mark.slow
def test_one_command_trains_from_a_folder_and_says_where_the_result_is(folder, capsys):
    assert train(folder, "--device", "cpu") == 0
    out = capsys.readouterr().out
    assert "step 2/2" in out and f"done: {folder / 'run' / 'best.safetensors'}" in out
    assert (folder / "run" / "report.html").exists()


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_folder_or_a_plan_of_one_is_trained_on(folder, tmp_path, capsys):
    plan, own = tmp_path / "plan.json", ("--model", str(folder / "tiny.safetensors"))
    clips, cache = str(folder / "clips"), ("--cache", str(folder / "cache"))
    sizes = FEW[:4]
    assert main(["train", "plan", clips, *sizes, *own, *cache, "--json", str(plan)]) == 0
    assert main(["train", "own", *own, "--out", str(tmp_path / "a")]) == 2
    assert capsys.readouterr().err.count("--plan FILE") == 1
    few = ("--steps", "2", "--batch", "2", "--device", "cpu")
    command = ["train", "own", "--plan", str(plan), *own, *cache, *few]
    assert main([*command, "--out", str(tmp_path / "b")]) == 0


@pytest.mark.slow
def test_a_plan_is_trained_on_where_its_clips_were_moved(folder, tmp_path, capsys):
    plan, moved = tmp_path / "plan.json", tmp_path / "elsewhere"
    own = ("--model", str(folder / "tiny.safetensors"), "--cache", str(tmp_path / "cache"))
    copytree(folder / "clips", tmp_path / "here")
    assert main(["train", "plan", str(tmp_path / "here"), *FEW[:4], *own, "--json", str(plan)]) == 0
    (tmp_path / "here").rename(moved)
    few = ("--steps", "1", "--batch", "2", "--device", "cpu", "--plan", str(plan), *own)
    assert main(["train", "own", *few, "--out", str(tmp_path / "gone")]) == 2
    assert main(["train", "own", str(tmp_path / "no"), *few, "--out", str(tmp_path / "no")]) == 2
    assert main(["train", "own", str(moved), *few, "--out", str(tmp_path / "run")]) == 0
    assert "lost" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_failure_in_several_processes_is_one_sentence(folder, tmp_path, capfd):
    command = ("--device", "cpu", "--processes", "2", "--out", str(tmp_path / "run"))
    assert train(folder, *command) == 0
    assert train(folder, *command, "--resume", "--seed", "7") == 2
    assert capfd.readouterr().err.strip().splitlines()[-1].startswith("seed was 0")


@pytest.mark.slow
def test_an_interrupted_run_is_saved_and_continues(folder, tmp_path, capsys, monkeypatch):
    """The signal arrives while the first of four steps is reported."""
    steps = ("--device", "cpu", "--out", str(tmp_path / "run"), "--steps", "4")
    signals = iter([signal.SIGTERM])
    monkeypatch.setattr(
        train_own, "print_step", lambda progress: [signal.raise_signal(one) for one in signals]
    )
    assert train(folder, *steps) == 0
    output = capsys.readouterr()
    assert "paused at step 2" in output.out and "saving after this step" in output.err
    monkeypatch.undo()
    assert train(folder, *steps, "--resume") == 0
    assert "step 4/4" in capsys.readouterr().out


@pytest.mark.slow
def test_an_interrupt_while_clips_are_encoded_loses_none(folder, tmp_path, capsys, monkeypatch):
    cache = ("--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "run"), "--device", "cpu")
    interrupt = lambda done, total: done == 2 and signal.raise_signal(signal.SIGINT)  # noqa: E731
    monkeypatch.setattr(train_own, "print_encoded", interrupt)
    assert train(folder, *cache) == 2
    assert "stopped: 2 of 5 clips are in the cache" in capsys.readouterr().err
    assert len(list((tmp_path / "cache" / "latents").iterdir())) == 2
    monkeypatch.undo()
    assert train(folder, *cache) == 0
