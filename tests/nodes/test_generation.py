"""Text from a CLIP that writes, and a clear word where it cannot."""

import pytest
import torch
from sora_nodes.nodes.host.models.clip import load_clip
from sora_nodes.nodes.host.text_generation import generate_text
from sora_nodes.sora_core.errors import ConfigError

from tests.support.writer import Writer


def test_the_answer_is_what_the_model_writes_within_its_tokens():
    writer = Writer(lambda read: read.upper())
    assert generate_text(writer, "a red ball", max_tokens=5) == "A RED"


def test_pictures_and_seed_reach_the_model():
    writer, pictures = Writer(str), torch.rand(3, 4, 5, 3)
    generate_text(writer, "what is this?", pictures, max_tokens=9, seed=2**64 - 1)
    (asked,) = writer.asked
    assert asked["image"] is pictures
    assert (asked["max_length"], asked["seed"]) == (9, 2**64 - 1)


def test_the_models_own_dialogue_form_is_used():
    writer = Writer(str)
    generate_text(writer, "a red ball")
    assert writer.asked[0]["skip_template"] is False
    assert writer.asked[0]["thinking"] is False


def test_a_host_that_cannot_write_is_named():
    with pytest.raises(ConfigError, match="no text generation"):
        generate_text(load_clip(), "a red ball")


class Mute(Writer):
    """An encoder on a host that can write."""

    def generate(self, tokens, **sampling):
        return torch.nn.Linear(1, 1).generate(tokens, **sampling)


def test_an_encoder_that_cannot_write_is_named():
    with pytest.raises(ConfigError, match="Linear writes no text"):
        generate_text(Mute(str), "a red ball")


@pytest.mark.parametrize("named", [True, False], ids=["dict", "list"])
def test_a_model_that_passes_over_pictures_is_named(named):
    class Nameless(Writer):
        """Some of the host's tokenizers give their one list without a name."""

        def tokenize(self, text, **options):
            (tokens,) = super().tokenize(text, **options).values()
            return tokens

    kind, picture = (Writer if named else Nameless), torch.rand(1, 4, 5, 3)
    with pytest.raises(ConfigError, match="takes no images"):
        generate_text(kind(str, blind=True), "what is this?", picture)
    assert kind(str).tokenize("", image=picture)


def test_a_fault_of_the_writer_itself_is_not_hidden():
    with pytest.raises(AttributeError, match="upside"):
        generate_text(Writer(lambda read: read.upside()), "a red ball")
