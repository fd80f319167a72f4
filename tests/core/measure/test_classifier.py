"""The reader: its answers, its weights on disk, and what it learns from."""

import json

import pytest
import torch

from sora_core.checkpoints.safetensors_io import write_tensors
from sora_core.errors import WeightsError
from sora_core.measure.classifier import classify, load_classifier
from sora_core.models.attribute_classifier import (
    CLASSIFIER_FORMAT,
    AttributeClassifier,
    ClassifierConfig,
)
from sora_core.training.classifier import (
    WORDS,
    ClassifierDataset,
    ReaderTask,
    mirrored,
    save_reader,
)
from sora_core.training.dataset import ClipShard
from sora_core.training.distributed import Ranks
from sora_core.video.frames import video_from_frames
from sora_core.world.render import render
from sora_core.world.scene import Domain, sample_scene


@pytest.fixture(scope="module")
def reader():
    torch.manual_seed(0)
    return AttributeClassifier(ClassifierConfig(), WORDS).eval()


@pytest.fixture(scope="module")
def shard(reader):
    """Four clips; the first two have a second object."""
    scenes = [
        sample_scene(i, Domain(two_objects=float(i < 2), walls=0, collisions=0)) for i in range(4)
    ]
    clips = [render(scene, reader.config.size) for scene in scenes]
    return ClipShard(
        torch.stack([clip.frames for clip in clips]),
        torch.stack([clip.segments for clip in clips]),
        [scene.labels for scene in scenes],
        [[(thing.shape, thing.colour) for thing in scene.things] for scene in scenes],
        [[] for _ in scenes],
    )


@pytest.mark.slow
def test_every_question_is_answered_with_one_of_its_words(reader, shard):
    found = classify(reader, shard.frames[0])
    assert {name for name, word in found.items() if word in WORDS[name]} == set(WORDS)


def test_the_answers_depend_on_every_part_of_the_clip(reader):
    video = torch.zeros(1, 3, 17, 64, 64, requires_grad=True)
    sum(logits.square().sum() for logits in reader(video).values()).backward()
    assert (video.grad.abs().amax((0, 1)) > 0).all()


def test_a_reader_comes_back_from_disk_as_it_was(reader, shard, tmp_path):
    save_reader(reader, tmp_path / "reader.safetensors")
    back = load_classifier(tmp_path / "reader.safetensors")
    half = reader.state_dict()["questions"].half().float()
    assert torch.equal(back.state_dict()["questions"], half)
    assert back.words == {name: list(words) for name, words in WORDS.items()}
    assert set(classify(back, shard.frames[0])) == set(WORDS)


def test_a_file_that_is_no_reader_is_refused(tmp_path):
    write_tensors(
        tmp_path / "other.safetensors", {"questions": torch.zeros(6, 160)}, {"format": "sora 1"}
    )
    with pytest.raises(WeightsError, match="no classifier"):
        load_classifier(tmp_path / "other.safetensors")


def test_lessons_are_of_clips_with_one_object(shard):
    lessons = ClassifierDataset.from_latents([shard])
    assert torch.equal(lessons.frames, shard.frames[2:])
    asked = [list(WORDS["shape"])[row[list(WORDS).index("shape")]] for row in lessons.answers]
    assert asked == [labels["shape"] for labels in shard.labels[2:]]


@pytest.mark.parametrize("word", [word for words in WORDS.values() for word in words])
def test_the_mirror_of_the_mirror_is_the_thing_itself(word):
    assert mirrored(mirrored(word)) == word
    assert (mirrored(word) != word) == ("left" in word or "right" in word)


def test_a_clip_comes_with_its_answers_and_its_mirror_image_with_mirrored_ones(reader, shard):
    lessons = ClassifierDataset.from_latents([shard])
    videos, answers = ReaderTask(reader, lessons, lessons, batch=16, seed=0).draw(0, Ranks())
    flipped = 0
    for video, answer in zip(videos, answers, strict=True):
        text = [words[i] for words, i in zip(WORDS.values(), answer.tolist(), strict=True)]
        for frames, labels in zip(shard.frames[2:], shard.labels[2:], strict=True):
            clip = video_from_frames(frames)
            if torch.equal(video, clip):
                assert text == list(labels.values())
            if torch.equal(video, clip.flip(-1)):
                flipped += 1
                assert text == [mirrored(word) for word in labels.values()]
    assert 0 < flipped < 16


def test_one_step_moves_every_weight(reader, shard):
    lessons = ClassifierDataset.from_latents([shard])
    task = ReaderTask(reader, lessons, lessons, batch=2, seed=0)
    reader.zero_grad()
    task.loss(0, Ranks())[0].backward()
    still = [name for name, p in reader.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


@pytest.mark.parametrize("name", ["a.b", "", "keys"])
def test_a_classifier_whose_question_is_no_name_of_a_module_is_refused(tmp_path, name):
    metadata = {"format": CLASSIFIER_FORMAT, "words": json.dumps({name: ["yes", "no"]})}
    write_tensors(tmp_path / "a.safetensors", {"x": torch.zeros(1)}, metadata)
    with pytest.raises(WeightsError, match="odd name"):
        load_classifier(tmp_path / "a.safetensors")
