"""What the captioner learns from: clips whole and cut, each with its own words."""

import pytest
import torch

from sora_core.models.captioner import Captioner, CaptionerConfig
from sora_core.models.vocabulary import END_SIGN, UNCLEAR_SIGN, Vocabulary
from sora_core.shapes import Size
from sora_core.training.captioner import IGNORED, CaptionDataset, CaptionerTask, drift
from sora_core.training.classifier import WORDS
from sora_core.training.distributed import Ranks

CAPTIONS = [[f"a {colour} ball", f"A {colour} ball rolls."] * 2 for colour in ("red", "blue")]
LABELS = [{name: words[i] for name, words in WORDS.items()} for i in range(2)]
VOCABULARY = Vocabulary.from_captions(text for texts in CAPTIONS for text in texts)


def dataset(frames):
    """Two clips; every cell of the first is 1, of the second 2."""
    latents = torch.ones(2, 16, frames, 4, 4) * torch.tensor([1, 2]).view(2, 1, 1, 1, 1)
    return CaptionDataset.from_latents(latents.half(), CAPTIONS, LABELS, VOCABULARY)


@pytest.fixture(scope="module")
def task():
    torch.manual_seed(0)
    model = Captioner(CaptionerConfig(width=32, seeing=1, saying=1), VOCABULARY)
    strange = torch.full((3, 16, 5, 8, 8), 9.0).half()
    return CaptionerTask(model, [dataset(5), dataset(1)], dataset(5), strange, 8, 0)


def test_a_clip_comes_with_its_own_words_and_a_strange_one_with_none(task):
    lengths, unclear = set(), 0
    for step in range(60):
        batch = task.draw(step, Ranks())
        lengths.add(batch.latent.shape[2])
        for clip, short, long, answers in zip(
            batch.latent, batch.short, batch.long, batch.answers, strict=True
        ):
            if short[0] == UNCLEAR_SIGN:
                unclear += 1
                assert long[0] == UNCLEAR_SIGN
                assert (answers == IGNORED).all()
                continue
            which = round(clip.mean().item()) - 1
            for message, text in ((short, CAPTIONS[which][0]), (long, CAPTIONS[which][1])):
                assert message[message != IGNORED].tolist() == [*VOCABULARY.numbers(text), END_SIGN]
    assert lengths == {1, 3, 4, 5}
    assert 0 < unclear < 60


def test_a_single_frame_is_not_asked_what_moves():
    still, moving = dataset(1).answers[0], dataset(5).answers[0]
    names = list(WORDS)
    assert [name for name, a in zip(names, still.tolist(), strict=True) if a == IGNORED] == [
        "motion",
        "camera",
    ]
    assert (moving != IGNORED).all()


def test_a_batch_is_the_same_each_time_and_another_for_each_step(task):
    first, again, next_one = (task.draw(step, Ranks()).latent for step in (3, 3, 4))
    assert torch.equal(first, again)
    assert first.shape != next_one.shape or not torch.equal(first, next_one)


def test_a_few_steps_move_every_weight(task):
    task.model.zero_grad()
    for step in range(4):  # a step of single frames asks for nothing that moves
        task.loss(step, Ranks())[0].backward()
    parameters = task.model.named_parameters()
    assert [name for name, p in parameters if p.grad is None or not p.grad.any()] == []


def test_what_is_no_clip_of_the_world_moves_and_differs():
    generator = torch.Generator().manual_seed(0)
    clips = [drift(Size(32, 32, 9), generator) for _ in range(4)]
    assert all(clip.shape == (3, 9, 32, 32) and clip.abs().max() <= 1 for clip in clips)
    assert all(clip.std() > 0.05 for clip in clips)
    assert not torch.equal(clips[0], clips[1])
