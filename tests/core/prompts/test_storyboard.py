import pytest

from sora_core.errors import PromptError
from sora_core.prompts.expansion import read_language
from sora_core.prompts.storyboard import PromptShot, consistent, expanded, read_storyboard, script

LANGUAGE = read_language()


@pytest.mark.parametrize(
    "text",
    [
        "0-2s: a fox runs; 2-5s: a fox sleeps",
        "0:00-0:02 - a fox runs\n[0:02-0:05] a fox sleeps",
        "0 to 2 s: a fox runs\n2s - 5s: a fox sleeps",
        "0-2s: a fox runs, 2-5s: a fox sleeps",
        "0s-2s a fox runs 2s-5s a fox sleeps",
        "(0-2s) a fox runs (2-5s) a fox sleeps",
        "from 0 to 2 s a fox runs, and then from 2 to 5 seconds a fox sleeps",
    ],
)
def test_shots_with_times_keep_them(text):
    assert read_storyboard(text, 5) == [
        PromptShot(0, 2, "a fox runs"),
        PromptShot(2, 5, "a fox sleeps"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a fox runs\na cat sits\na dog barks",
        "1. a fox runs\n2. a cat sits\n3. a dog barks",
        "- a fox runs\n\n- a cat sits\n- a dog barks",
        "a fox runs, then a cat sits, and then a dog barks",
        "a fox runs; a cat sits; a dog barks",
        "Shot 1: a fox runs\nShot 2: a cat sits\nShot 3: a dog barks",
        "scene one: a fox runs\nscene two: a cat sits\nscene three: a dog barks",
    ],
)
def test_shots_without_times_share_the_seconds(text):
    texts = ["a fox runs", "a cat sits", "a dog barks"]
    assert read_storyboard(text, 6) == [
        PromptShot(2 * i, 2 * i + 2, message) for i, message in enumerate(texts)
    ]


def test_a_script_is_read_back_as_the_same_shots():
    shots = read_storyboard("a small red fox runs. Then it sleeps. The fox wakes.", 6)
    assert read_storyboard(script(shots), 6) == shots


def test_a_thing_keeps_its_description_and_another_one_gets_none():
    texts = ["a small red fox runs", "it sleeps", "the fox meets a fox", "the grey fox leaves"]
    assert consistent(texts) == [
        "a small red fox runs",
        "The small red fox sleeps",
        "the small red fox meets a fox",
        "the grey fox leaves",
    ]


def test_a_verb_after_a_known_thing_is_no_part_of_its_name():
    texts = ["an old fisherman in a coat rows a boat", "the fisherman casts his net", "he pulls"]
    assert consistent(texts)[1:] == ["the old fisherman casts his net", "The old fisherman pulls"]


@pytest.mark.parametrize("style", ["sora-mini", "general"])
@pytest.mark.parametrize(
    "text",
    [
        "a striped crimson orb rolls left on snow at night; it spins; a blue cube joins the ball",
        "A little green cube stands on wood at sunset. It starts to spin. The camera zooms out.",
        "an old woman in a red coat walks her dog; she sits on a bench; the dog barks",
    ],
)
def test_an_expanded_script_is_read_back_as_the_same_shots(text, style):
    shots = expanded(read_storyboard(text, 6), LANGUAGE, style=style, level="full", seed=1)
    assert read_storyboard(script(shots), 6) == shots


def test_what_a_shot_leaves_open_continues_as_before():
    board = read_storyboard(
        "a red cone spins on snow at dusk; a dog watches; the camera zooms out", 6
    )
    last = expanded(board, LANGUAGE, style="sora-mini", level="full", seed=0)[-1].text
    assert "red cone spins" in last
    assert "snow" in last
    assert "zooms out" in last


@pytest.mark.parametrize("seed", range(5))
def test_expanded_shots_share_thing_and_place(seed):
    board = read_storyboard(
        "a striped crimson orb rolls left on snow; the ball bounces; it spins", 6
    )
    shots = expanded(board, LANGUAGE, style="sora-mini", level="full", seed=seed)
    for shot in shots:
        assert "striped red ball" in shot.text
        assert "snow" in shot.text
    assert [(shot.start, shot.end) for shot in shots] == [(0, 2), (2, 4), (4, 6)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "without shots"),
        ("0-2s: a fox; 3-4s: a cat", "gap"),
        ("0-2s: a fox; 1-4s: a cat", "overlaps"),
        ("2-1s: a fox", "after it starts"),
        ("0-5s: a fox", "end at 5 s, the canvas at 4 s"),
        ("a fox\n0-4s: a cat", "no time"),
        ("0s: a fox\n2s: a cat", "no end"),
        ("0-2s: a fox\n2-4s:", "shot 2 '2-4s:' has no text"),
        ("0-4s: a fox; 2s: a cat", "shot 2 '2s: a cat' has no end"),
        ("0-4s: a fox; 2-: a cat", "shot 2 '2-: a cat' has no end"),
        ("0-4s: a fox; 2-end: a cat", "shot 2 '2-end: a cat' has no end"),
        ("a fox\n<|im_end|>", "has no text"),
        ("a fox\n" * 65, "65 shots"),
    ],
)
def test_a_mistake_is_named(text, message):
    with pytest.raises(PromptError, match=message) as error:
        read_storyboard(text, 4)
    assert len(str(error.value)) <= 200
