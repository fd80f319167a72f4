"""The texts of a step: one of the chosen captions of each clip, or the empty one."""

import pytest
import torch

from sora_core.training.clip_batch import draw_texts

CLIPS, EMPTY = torch.tensor([5, 2, 7]).repeat(100), torch.full((1, 1), -1.0)


def text_of(clip, caption):
    return torch.tensor([[10.0 * clip + caption]])


def texts(no_text, seed=0):
    generator = torch.Generator().manual_seed(seed)
    found = draw_texts(text_of, CLIPS, (1, 3), EMPTY, no_text, generator)
    return [text.item() for text in found]


def test_each_clip_has_one_of_its_chosen_captions_and_all_of_them_come():
    found = texts(no_text=0.0)
    assert [int(text // 10) for text in found] == CLIPS.tolist()
    assert {text % 10 for text in found} == {1, 3}


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_as_many_texts_are_empty_as_asked(share):
    assert texts(share).count(-1.0) / len(CLIPS) == pytest.approx(share, abs=0.1)


def test_a_seed_is_a_draw():
    assert texts(0.5) == texts(0.5) != texts(0.5, seed=1)
