"""Captions are judged by the labels they state, and certainty by how often they are right."""

import pytest
import torch

from sora_core.checkpoints.captioner_file import CAPTIONER_PATH, load_captioner
from sora_core.checkpoints.checkpoint import load_autoencoder, read_config
from sora_core.measure.captions import (
    CaptionedClip,
    calibrated,
    caption_figures,
    caption_latents,
    distinct_share,
    expanded_wishes,
    fades,
    grammatical,
    labelled_clip,
    pixel_noise,
    question_rows,
    stated_labels,
    tiles,
    write_certainty,
)
from sora_core.measure.classifier import ClassifierResult
from sora_core.models.captioner import Captioner, CaptionerConfig
from sora_core.models.vocabulary import Vocabulary
from sora_core.pipeline.caption import Caption, caption
from sora_core.pipeline.generate import MODELS, SHIPPED
from sora_core.prompts.expansion import read_language
from sora_core.training.captioner import save_captioner
from sora_core.world.captions import describe
from sora_core.world.scene import sample_scene

LANGUAGE = read_language()
WORLD = LANGUAGE.world


@pytest.mark.parametrize("seed", range(40))
def test_the_worlds_own_captions_are_read_back_as_they_were_meant(seed):
    scene = sample_scene(seed, held_out=True)
    text = describe(scene, seed).long
    assert stated_labels(text, WORLD) == scene.labels
    assert grammatical(text, WORLD)


@pytest.mark.parametrize(
    "text", ["a red ball", "A red ball rolls left on grass.", "A red dog rolls left.", ""]
)
def test_what_is_no_whole_scene_is_not_grammatical(text):
    assert not grammatical(text, WORLD)


def test_runs_of_words_are_distinct_until_they_are_said_again():
    assert distinct_share(["a red ball", "a red cube"], 1) == 4 / 6
    assert distinct_share(["a red ball", "a red cube"], 2) == 3 / 4
    assert distinct_share(["a red ball", "a blue cube"], 3) == 1


def test_figures_count_the_captions_that_are_right():
    scenes = [sample_scene(seed, held_out=True) for seed in range(4)]
    first, second, third, fourth = (
        Caption(describe(scene, 0).long, "", certainty=0.9) for scene in scenes
    )
    texts = [
        CaptionedClip(scenes[0].labels, first, first, 0.1),
        CaptionedClip(scenes[1].labels, second, second, 0.1),
        CaptionedClip(scenes[2].labels, fourth, third, 0.1),
        CaptionedClip(scenes[3].labels, third, fourth, 0.1),
    ]
    found = {figure.name: figure.value for figure in caption_figures(texts, WORLD)}
    assert found["caption_all"] == 0.5
    assert found["drawn_all"] == 1.0
    assert found["caption_grammatical"] == 1.0
    assert found["certainty"] == pytest.approx(0.9)


def test_certainty_is_fitted_to_how_often_captions_are_right():
    draw = torch.Generator().manual_seed(0)
    odds = torch.randn(4000, generator=draw) * 2
    right = torch.rand(4000, generator=draw) < torch.sigmoid(-1 + 0.5 * odds)
    offset, slope = calibrated(list(zip(odds.tolist(), right.tolist(), strict=True))).tolist()
    assert offset == pytest.approx(-1, abs=0.15)
    assert slope == pytest.approx(0.5, abs=0.08)


def test_certainty_is_written_into_the_file_and_nothing_else_changes(tmp_path):
    path = tmp_path / "captioner.safetensors"
    result = Captioner(
        CaptionerConfig(width=32, seeing=1, saying=1), Vocabulary.from_captions(["a ball"])
    )
    save_captioner(result, path)
    before = load_captioner(path).state_dict()
    write_certainty(path, torch.tensor([-0.5, 1.5]))
    after = load_captioner(path).state_dict()
    assert after.pop("certainty").tolist() == [-0.5, 1.5]
    before.pop("certainty")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert load_captioner(path).vocabulary == result.vocabulary


def test_expanded_wishes_ask_for_all_six_answers():
    for wish in expanded_wishes(6, LANGUAGE):
        assert all(wish.asked.values())
        assert stated_labels(wish.prompt, WORLD) == wish.asked


def test_a_table_has_a_row_for_each_question_and_one_column_for_each_model():
    asked = {"colour": "red", "shape": "ball"}
    wrong = {"colour": "red", "shape": "cube"}
    table = question_rows(
        {"a": [ClassifierResult(asked, asked)], "b": [ClassifierResult(asked, wrong)]}
    )
    found = {row.question: dict(row.found) for row in table}
    assert found["colour"] == {"a": 1.0, "b": 1.0}
    assert found["all"] == {"a": 1.0, "b": 0.0}
    assert found["mean"] == {"a": 1.0, "b": 0.5}


@pytest.fixture(scope="module")
def shipped():
    path = MODELS / SHIPPED
    return load_captioner(), load_autoencoder(path, read_config(path))


@pytest.mark.slow
@pytest.mark.parametrize("strange", [pixel_noise, tiles, fades])
def test_the_captioner_that_ships_is_surer_of_the_world_than_of_anything_else(shipped, strange):
    captioner, autoencoder = shipped
    known = [labelled_clip(seed)[1] for seed in range(3)]
    sure = [caption(captioner, caption_latents(autoencoder, clip)).certainty for clip in known]
    unsure = [
        caption(captioner, caption_latents(autoencoder, strange(i))).certainty for i in range(3)
    ]
    assert max(unsure) < min(sure)


def test_the_captioner_that_ships_is_small():
    assert CAPTIONER_PATH.stat().st_size <= 3_000_000
