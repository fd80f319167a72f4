import pytest
from sora_nodes.nodes.host.models.clip import load_clip
from sora_nodes.nodes.prompt import SoraEncodePrompt, SoraExpandPrompt

TOKYO = "a stylish woman walks down a Tokyo street"


@pytest.fixture(scope="module")
def clip():
    return load_clip()


class ForeignClip:
    """The part of another model's text encoder that the node uses."""

    def tokenize(self, text):
        return {"t5xxl": [[(1, 1.0)]]}

    def encode_from_tokens_scheduled(self, tokens):
        return [[None, {}]]


def note(output):
    return "".join((output.ui or {}).get("text", ()))


def test_encoding_names_the_words_that_the_small_world_does_not_know(clip):
    named = note(SoraEncodePrompt.execute(clip, TOKYO))
    assert all(word in named for word in ("stylish", "woman", "walks", "Tokyo", "street"))


def test_encoding_has_no_note_on_a_prompt_of_the_world(clip):
    assert note(SoraEncodePrompt.execute(clip, "a red ball rolls to the left on grass")) == ""


def test_encoding_has_no_note_for_the_clip_of_another_model():
    assert note(SoraEncodePrompt.execute(ForeignClip(), TOKYO)) == ""


def test_expanding_has_a_note_in_the_style_of_the_small_world_alone():
    assert "Tokyo" in note(SoraExpandPrompt.execute(TOKYO, "sora-mini", "full", 0))
    assert note(SoraExpandPrompt.execute(TOKYO, "general", "full", 0)) == ""


@pytest.mark.parametrize("text", ["a red \ud83d ball", "\udfff"])
def test_half_of_a_surrogate_pair_passes_every_text_encoding_node(clip, text):
    assert clip.encode_from_tokens_scheduled(clip.tokenize(text))
    assert SoraEncodePrompt.execute(clip, text).result
