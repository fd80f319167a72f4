"""The pack expands a prompt alone, or by a language model that preserves its facts."""

import pytest
from sora_nodes.nodes.host.models.clip import load_clip
from sora_nodes.nodes.prompt import SoraExpandPrompt
from sora_nodes.sora_core.errors import ConfigError

from tests.support.writer import Writer

FOX = "A red fox runs through deep snow at night, its fur lit by low moonlight."


def texts(text, clip=None, style="general", seed=0):
    return SoraExpandPrompt.execute(text, style, "full", seed, clip).result


def test_a_language_model_says_it_and_is_named():
    text, changes = texts("red fox runs, snow, night", Writer(lambda asked: FOX))
    assert text == FOX
    assert changes.endswith("by the language model")


def test_a_language_model_that_loses_a_fact_is_not_followed_and_the_node_says_why():
    text, changes = texts("blue fox", Writer(lambda asked: FOX))
    assert text == texts("blue fox")[0]
    assert "language model not followed: it lost or contradicts blue" in changes


def test_the_seed_reaches_the_language_model():
    writer = Writer(lambda asked: FOX)
    texts("red fox", writer, seed=7)
    assert writer.asked[0]["seed"] == 7


def test_a_clip_that_cannot_write_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"clip: .* disconnect it"):
        texts("red fox", load_clip())
