"""A tiny student of MiniLM, trained for a few steps."""

from dataclasses import replace

import pytest
import torch

from sora_core.checkpoints.text_file import load_text
from sora_core.errors import TrainingError
from sora_core.models.text_encoder import TextConfig, TextEncoder
from sora_core.training import sentences
from sora_core.training.distributed import Ranks
from sora_core.training.experiments import TextRun
from sora_core.training.phrasing import prompt, read_phrases
from sora_core.training.recipes import smoke
from sora_core.training.sentences import Amounts, gather, is_held_out_text, wordnet_sentences
from sora_core.training.text import spreads


def trained(root, steps, resume=False):
    recipe = smoke()
    recipe = replace(recipe, text_training=replace(recipe.text_training, steps=steps, decay=0.0))
    run = TextRun(recipe=recipe, root=root, resume=resume, on_progress=lambda progress: None)
    run(Ranks())
    return load_text(root / "smoke" / "text" / "text-encoder.safetensors")[0].state_dict()


@pytest.mark.slow
def test_a_resumed_run_reaches_the_same_numbers(tmp_path):
    whole = trained(tmp_path / "whole", steps=4)
    half = trained(tmp_path / "parts", steps=2)
    assert not any(torch.equal(whole[name], half[name]) for name in whole if "weight" in name)
    resumed = trained(tmp_path / "parts", steps=4, resume=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_component_that_is_always_the_same_weighs_no_more_than_others():
    torch.manual_seed(0)
    thin = dict.fromkeys(("qkv_rank", "out_rank", "up_rank", "down_rank"), 16)
    teacher = TextEncoder(
        TextConfig(words=((50, 16),), width=16, hidden=16, depth=2, heads=2, **thin)
    )
    with torch.no_grad():
        teacher.blocks[-1].norm_mlp.weight[3] = 1e-32
    scale = spreads(teacher, [torch.randint(50, (20, 6))])
    assert scale.shape == (2, 16)
    assert bool((scale >= 0.09 * scale.median(dim=1, keepdim=True).values).all())


def test_no_sentence_is_on_both_sides():
    amounts = Amounts(scenes=200, prompts=400, plain=0)
    learned, tested = gather(amounts)
    for ours, theirs in ((learned.captions, tested.captions), (learned.prompts, tested.prompts)):
        assert theirs and len(theirs) < 0.1 * len(ours)
        assert not {text.lower() for text in ours} & {text.lower() for text in theirs}


def test_capitals_do_not_change_the_side():
    assert {is_held_out_text(t) for t in ("a red ball", "A Red Ball")} == {
        is_held_out_text("A RED BALL")
    }


def test_a_prompt_is_the_same_for_the_same_seed_and_another_for_another():
    phrases = read_phrases()
    found = [prompt(seed, phrases) for seed in range(200)]
    assert found == [prompt(seed, phrases) for seed in range(200)]
    assert len(set(found)) > 190
    assert not any("{" in text or "  " in text for text in found)


def test_glosses_and_examples_are_read_without_the_licence(tmp_path):
    entry = '00001740 03 n 01 ball 0 000 | a round thing (of rubber); "he threw the ball"  \n'
    for name in sentences.DATA:
        (tmp_path / name).write_text("  1 This software and database\n" + entry)
    read = list(wordnet_sentences(tmp_path))
    assert read[:2] == ["he threw the ball", r"a round thing \(of rubber\)"]
    assert len(read) == 2 * len(sentences.DATA)


def test_missing_files_name_the_package_that_brings_them(tmp_path):
    with pytest.raises(TrainingError, match="apt-get install wordnet-base"):
        list(wordnet_sentences(tmp_path))
