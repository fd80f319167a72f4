"""The board has what has happened: a table in a terminal, a line for each job elsewhere."""

import io

import pytest
from rich.console import Console

from tools.batch.board import Board
from tools.batch.jobs import plan
from tools.batch.manifest import Manifest

GRAPH = {
    "6": {"class_type": "Noise", "inputs": {"seed": 0}, "_meta": {"title": "The noise"}},
    "9": {"class_type": "Save", "inputs": {"noise": ["6", 0], "filename_prefix": "x"}},
}


@pytest.fixture
def board(tmp_path):
    """Four jobs, of which one was done before."""
    jobs = {job.name: job for job in plan(GRAPH, [{"name": "j", "6.seed": "1..4"}], "b")}
    with Manifest(tmp_path / "m") as manifest:
        manifest.add(list(jobs.values()))
        manifest.done("j-4", ["j-4.png"], 1.0)
        return Board(jobs, manifest.entries())


def displayed(board):
    console = Console(file=io.StringIO(), width=100)
    console.print(board.draw())
    return console.file.getvalue()


def begin(board, name):
    board(name, "sent", {})
    board(name, "execution_start", {})
    board(name, "executing", {"node": "6"})


def test_a_job_that_runs_shows_its_node_and_how_far_it_is(board):
    begin(board, "j-1")
    before = displayed(board)
    assert all(part in before for part in ("j-1", "running", "The noise", "1 of 4"))
    board("j-1", "progress", {"value": 5, "max": 10})
    half = displayed(board)
    board("j-1", "progress", {"value": 10, "max": 10})
    assert len({before, half, displayed(board)}) == 3


def test_the_last_line_counts_what_is_done_and_what_failed(board):
    begin(board, "j-1")
    board("j-1", "done", {"files": ["j-1.png"], "seconds": 1.5})
    begin(board, "j-2")
    board("j-2", "failed", {"error": "Noise: no luck"})
    text = displayed(board)
    assert "3 of 4, 1 failed" in text and "s left" in text
    assert "j-1.png" in text and "no luck" in text


def test_an_absent_server_is_named_until_it_is_back(board):
    board("", "away", {"error": "refused"})
    assert "waiting for ComfyUI: refused" in displayed(board)
    board("", "here", {})
    assert "waiting" not in displayed(board)


def test_elsewhere_each_ending_is_a_line(board):
    board.console = Console(file=io.StringIO(), width=100)
    with board:
        begin(board, "j-1")
        board("j-1", "done", {"files": ["j-1.png"], "seconds": 1.5})
    assert board.console.file.getvalue() == "done j-1 1.50 s j-1.png\n"


def test_in_a_terminal_the_table_is_drawn_anew_and_goes(board):
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    board.console = board.live.console = terminal
    with board:
        begin(board, "j-1")
        board.live.refresh()
        assert "j-1" in terminal.file.getvalue()
    assert "done" not in terminal.file.getvalue()
