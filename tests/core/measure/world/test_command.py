"""`measure world` as a command: what a stopped run leaves, and plans with intervals."""

import json
from argparse import ArgumentParser

import pytest

from sora_core.measure.world import command
from sora_core.measure.world.plan import FULL, QUICK
from sora_core.measure.world.row import share_row


def row(name):
    return share_row(name, [True], [True, True], [True, False])


def test_a_run_that_stops_leaves_the_figures_of_the_rulers_before(tmp_path, monkeypatch):
    def stopped(clips, plan):
        raise KeyboardInterrupt

    rulers = {"shape": lambda clips, plan: [row("shape/bounce")], "loop": stopped}
    monkeypatch.setattr(command, "RULERS", rulers)
    monkeypatch.setattr(command, "load", lambda path: None)
    parser = ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args(["--what", "shape", "loop"])
    args.json = tmp_path / "rulers.json"
    with pytest.raises(KeyboardInterrupt):
        command.run(args, lambda text: None)
    figures = json.loads(args.json.read_text())
    assert figures["shape/bounce/made"] == 0.5
    assert figures["shape/bounce/n"] == 2
    assert not [name for name in figures if name.startswith("loop")]


@pytest.mark.parametrize("plan", (FULL, QUICK))
def test_long_videos_are_enough_for_an_interval(plan):
    assert 3 <= plan.long < plan.clips
