"""Expansion invents no motion: what a prompt leaves at rest stays at rest."""

import pytest

from sora_core.prompts.expansion import expand, read_language

LANGUAGE = read_language()
RESTING = (
    "a red ball",
    "two cubes at night",
    "a small green cone on snow",
    "a blue cylinder, the camera zooms in",
    "a striped ball on grass under a sunset sky",
)
MOVING = (
    "a ball rolls",
    "a cube moves",
    "a ball behind a wall",
    "a cone that does not stand still",
)
MOTIONS = ("rolls", "slides", "falls", "bounces", "spins", "moves")


@pytest.mark.parametrize("prompt", RESTING)
def test_a_prompt_without_motion_is_expanded_to_a_scene_at_rest(prompt):
    for seed in range(40):
        text = expand(prompt, LANGUAGE, seed=seed).text.lower()
        assert "stands still" in text or "stand still" in text
        assert not any(word in text for word in MOTIONS)


@pytest.mark.parametrize("prompt", MOVING)
def test_a_prompt_with_motion_gets_a_direction_and_no_rest(prompt):
    for seed in range(40):
        text = expand(prompt, LANGUAGE, seed=seed).text.lower()
        assert "stands still" not in text
        assert any(word in text for word in MOTIONS)
