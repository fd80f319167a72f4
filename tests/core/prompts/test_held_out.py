"""Every expansion preserves the facts of 300 held-out prompts, and contradicts none."""

import pytest

from sora_core.measure.expansion import HELD_OUT_FOLDER, expansion_figures, expansion_trials
from sora_core.measure.prompt_facts import (
    Faults,
    PromptCase,
    general_faults,
    read_cases,
    world_faults,
)
from sora_core.prompts.expansion import Expansion, read_language


@pytest.fixture(scope="module")
def tried():
    return list(expansion_trials(read_language()))


@pytest.mark.slow
def test_no_expansion_loses_or_contradicts_a_fact_or_changes_when_expanded_again(tried):
    assert [str(trial) for trial in tried if trial.wrong] == []


@pytest.mark.slow
def test_300_prompts_are_expanded_in_under_5_ms_each(tried):
    found = {figure.name: figure.value for figure in expansion_figures(tried)}
    assert found["prompts"] == 300
    assert found["slowest"] < 5


@pytest.mark.slow
def test_most_scenes_are_described_anew_in_trained_words(tried):
    found = {figure.name: figure.value for figure in expansion_figures(tried)}
    assert found["said_anew"] > 0.75


@pytest.mark.parametrize(
    ("stated", "text", "against", "lost"),
    [
        ("red ball left", "A blue ball rolls to the left on grass. Static camera.", 0, 1),
        ("red ball left", "A red ball rolls to the right on grass. Static camera.", 0, 1),
        ("red ball left", "A red cube slides to the left on grass. Static camera.", 0, 1),
        ("red ball night", "A red ball spins on grass by day. Static camera.", 1, 1),
        ("red ball", "A red ball spins while a blue cube rests on grass.", 0, 1),
        ("red ball !snow", "A red ball spins on snow. Static camera.", 1, 0),
        ("ball !red", "A red ball spins on grass. Static camera.", 1, 0),
        ("ball !clouds", "A red ball spins. The sky is blue with a few soft clouds.", 1, 0),
        ("red ball spin grass", "A red ball spins on grass. Static camera.", 0, 0),
    ],
)
def test_the_judge_sees_what_is_lost_and_what_is_against_it(stated, text, against, lost):
    found = world_faults(PromptCase("a prompt", stated), Expansion(text))
    assert (len(found.against), len(found.lost)) == (against, lost)


def test_the_judge_sees_what_is_added_against_a_general_prompt():
    case = PromptCase("a city at night, no people", "night !people")
    bright = Expansion(f"{case.prompt}. Daylight, people.", added=("Daylight, people.",))
    assert general_faults(case, bright) == Faults(("night", "people"), ())
    assert general_faults(case, Expansion("a city")).lost == ("words",)


def test_the_prompts_to_generate_state_what_the_reader_can_answer():
    for case in read_cases(HELD_OUT_FOLDER / "terse.txt"):
        assert len(case.things) == 1
        assert len(case.things[0]) >= 3, case.prompt
