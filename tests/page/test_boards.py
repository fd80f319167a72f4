"""One table of storyboards, read by the page and by the core: the same shots, or no shots."""

import json

import pytest

from sora_core.errors import PromptError
from sora_core.prompts.shots import parse_shots
from sora_core.prompts.storyboard import read_storyboard
from tests.page.modules import call
from tools.host import ROOT

BOARDS = json.loads((ROOT / "tests" / "boards.json").read_text("utf-8"))
IDS = [board["name"] for board in BOARDS]
READ = """{
    const shots = module.shotsOf(given.text, given.seconds)
    return shots?.length && module.endsWith(shots, given.seconds)
        ? {shots, again: module.shotsOf(module.scriptOf(shots), given.seconds)} : null
}"""


@pytest.fixture(scope="module")
def on_page():
    return dict(zip(IDS, call("storyboard.js", READ, BOARDS), strict=True))


def shots_of(board):
    return [tuple(shot) for shot in board["shots"]]


def near(shots):
    return [(pytest.approx(start), pytest.approx(end), text) for start, end, text in shots]


@pytest.mark.parametrize("board", BOARDS, ids=IDS)
def test_the_core_reads_the_shots_of_the_table(board):
    if not board["shots"]:
        with pytest.raises(PromptError):
            read_storyboard(board["text"], board["seconds"])
        return
    read = parse_shots(board["text"], board["seconds"])
    assert [(shot.start, shot.end, shot.text) for shot in read] == near(shots_of(board))


@pytest.mark.parametrize("board", BOARDS, ids=IDS)
def test_the_page_reads_the_shots_of_the_table(board, on_page):
    read = on_page[board["name"]]
    if not board["shots"]:
        assert read is None
        return
    assert [(shot["start"], shot["end"], shot["text"]) for shot in read["shots"]] == near(
        shots_of(board)
    )


@pytest.mark.parametrize(
    "board", [one for one in BOARDS if one["shots"]], ids=lambda one: one["name"]
)
def test_what_the_page_writes_after_a_drag_is_read_back(board, on_page):
    read = on_page[board["name"]]
    for shot, again in zip(read["shots"], read["again"], strict=True):
        assert again["start"] == pytest.approx(shot["start"], abs=1e-3)
        assert again["text"] == shot["text"]


def test_the_names_of_the_table_differ_and_it_holds_both_kinds():
    assert len(set(IDS)) == len(BOARDS) > 40
    assert 12 < sum(not board["shots"] for board in BOARDS) < len(BOARDS) - 20
