"""The captioner: any size and length gives a caption, the same for the same seed and clip."""

import pytest
import torch

from sora_core.errors import ConfigError, SizeError
from sora_core.models.captioner import (
    LARGEST,
    MAX_CAPTION_WORDS,
    Captioner,
    CaptionerConfig,
    CaptionPrediction,
)
from sora_core.models.vocabulary import LONG_SIGN, SHORT_SIGN, SIGNS, Vocabulary, split
from sora_core.world.captions import describe
from sora_core.world.scene import sample_scene

CAPTIONS = [
    text
    for seed in range(200)
    for message in [describe(sample_scene(seed), seed, still=seed % 5 == 0)]
    for text in (message.short, message.long)
]
VOCABULARY = Vocabulary.from_captions(CAPTIONS)


@pytest.fixture(scope="module")
def captioner():
    torch.manual_seed(0)
    return Captioner(CaptionerConfig(width=32, seeing=1, saying=1), VOCABULARY).eval()


def clips(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_captions_of_the_world_survive_being_numbers():
    assert [VOCABULARY.caption(VOCABULARY.numbers(text)) for text in CAPTIONS] == CAPTIONS


def test_a_vocabulary_knows_the_words_of_its_captions_alone():
    assert set(VOCABULARY.words) == {*SIGNS, *(word for text in CAPTIONS for word in split(text))}
    with pytest.raises(KeyError):
        VOCABULARY.numbers("a turquoise ball")


@pytest.mark.parametrize("words", [("a", "ball"), (*SIGNS, "A ball"), (*SIGNS, "<other>")])
def test_words_that_are_no_vocabulary_are_refused(words):
    with pytest.raises(ConfigError):
        Vocabulary(words)


@pytest.mark.parametrize("t, y, x", [(1, 8, 8), (2, 2, 2), (5, 8, 14), (5, 9, 7), (7, 1, 40)])
@pytest.mark.parametrize("kind", [SHORT_SIGN, LONG_SIGN])
def test_latents_of_any_size_and_length_get_a_caption(captioner, t, y, x, kind):
    (texts,) = captioner.generate(clips(1, 16, t, y, x), kind)
    assert len(split(texts.text)) <= MAX_CAPTION_WORDS
    assert set(split(texts.text)) <= set(VOCABULARY.words)
    assert 0 < captioner.certainty_of(texts) < 1


def test_more_cells_than_are_seen_one_by_one_are_averaged(captioner):
    latent = clips(1, 16, 3, LARGEST, LARGEST)
    larger = latent.repeat_interleave(2, dim=3).repeat_interleave(2, dim=4)
    assert torch.allclose(captioner.encode_video(latent), captioner.encode_video(larger), atol=1e-5)


def test_every_cell_counts(captioner):
    latent = clips(1, 16, 3, 8, 6).requires_grad_()
    captioner.encode_video(latent).square().sum().backward()
    assert (latent.grad.abs().amax((0, 1)) > 0).all()


def test_drawn_words_are_those_of_their_seed(captioner):
    latent = clips(1, 16, 5, 8, 8).expand(8, -1, -1, -1, -1)
    first = [texts.text for texts in captioner.generate(latent, LONG_SIGN, range(8))]
    assert first == [texts.text for texts in captioner.generate(latent, LONG_SIGN, range(8))]
    assert len(set(first)) > 1


@pytest.mark.parametrize("seeds", [None, (3, 4, 5)])
def test_a_clip_is_captioned_as_if_it_were_alone(captioner, seeds):
    latent = clips(3, 16, 5, 8, 8)
    together = captioner.generate(latent, LONG_SIGN, seeds)
    for i, texts in enumerate(together):
        (alone,) = captioner.generate(latent[i : i + 1], LONG_SIGN, seeds and seeds[i : i + 1])
        assert alone.text == texts.text
        assert alone.odds == pytest.approx(texts.odds, abs=1e-4)


def test_likelier_words_are_surer_and_what_is_unclear_is_not(captioner):
    sure = [captioner.certainty_of(CaptionPrediction("", odds, 0.0)) for odds in (-2.0, 0.0, 2.0)]
    assert sure == sorted(sure)
    assert captioner.certainty_of(CaptionPrediction("", 0.0, 0.9)) == pytest.approx(0.1 * sure[1])


def test_latents_of_another_autoencoder_are_refused(captioner):
    with pytest.raises(SizeError, match="4 channels"):
        captioner.generate(clips(1, 4, 5, 8, 8), LONG_SIGN)


@pytest.mark.parametrize("width, seeing, saying", [(0, 1, 1), (48, 1, 1), (32, 0, 1), (32, 1, 0)])
def test_settings_that_make_no_captioner_are_refused(width, seeing, saying):
    with pytest.raises(ConfigError):
        CaptionerConfig(width=width, seeing=seeing, saying=saying)
