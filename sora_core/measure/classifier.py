"""The reader that ships for measuring, and how often it is right about true clips."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..checkpoints.safetensors_io import load_into, read_header
from ..errors import WeightsError
from ..models.attribute_classifier import CLASSIFIER_FORMAT, AttributeClassifier, ClassifierConfig
from ..models.autoencoder import Autoencoder
from ..pipeline.generate import MODELS
from ..shapes import Frames
from ..video.frames import video_from_frames
from ..world.render import render
from ..world.scene import sample_scene
from .reconstruction import through
from .report import Figure

CLASSIFIER_PATH = MODELS / "reader.safetensors"
CLASSIFIER_SEED = 965_000_000  # those from 960 million on were watched while the reader was tuned

Labels = Mapping[str, str]
"""One word for each question, such as colour or motion."""


@dataclass(frozen=True, slots=True)
class ClassifierResult:
    """What a clip should show, and what the reader sees in it."""

    asked: Labels
    read: Labels

    @property
    def wrong(self) -> list[str]:
        """The questions that are answered differently."""
        return [name for name, word in self.asked.items() if self.read[name] != word]


def load_classifier(path: Path = CLASSIFIER_PATH) -> AttributeClassifier:
    """The reader in the file at `path`; WeightsError where it is none."""
    metadata = read_header(path).metadata
    if metadata.get("format") != CLASSIFIER_FORMAT:
        raise WeightsError(
            f"{path.name[:60]!a} is no reader: choose one of format {CLASSIFIER_FORMAT}"
        )
    words = _words(path, metadata.get("words", ""))
    with torch.device("meta"):
        reader = AttributeClassifier(ClassifierConfig(), words)
    load_into(reader, path)
    return reader.eval().requires_grad_(False)


def _words(path: Path, text: str) -> dict[str, list[str]]:
    """The answers to each question, as `text` lists them; WeightsError if it does not."""
    problem = "its words are no table of lists of texts"
    try:
        words = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path.name[:60]!a} is no reader: {problem}") from error
    if isinstance(words, dict) and all(
        isinstance(answers, list) and answers and all(isinstance(word, str) for word in answers)
        for answers in words.values()
    ):
        return words
    raise WeightsError(f"{path.name[:60]!a} is no reader: {problem}")


def classify(reader: AttributeClassifier, frames: Frames) -> dict[str, str]:
    """What the reader sees in one clip."""
    return reader.read(video_from_frames(frames)[None])[0]


def true_results(
    reader: AttributeClassifier,
    autoencoder: Autoencoder | None,
    count: int,
    first: int = CLASSIFIER_SEED,
) -> Iterator[ClassifierResult]:
    """Readings of held-out world clips; with an `autoencoder`, as it gives them back."""
    for seed in range(first, first + count):
        scene = sample_scene(seed, held_out=True)
        frames = render(scene, reader.config.size).frames
        pixels = frames if autoencoder is None else through(autoencoder, frames)
        yield ClassifierResult(scene.labels, classify(reader, pixels))


def right_shares(readings: Sequence[ClassifierResult], prefix: str = "") -> list[Figure]:
    """For each question the share that is read as asked, and the share without any mistake."""
    wrong = [(reading.asked, reading.wrong) for reading in readings]
    names = dict.fromkeys(name for asked, _ in wrong for name in asked)
    right = {
        name: [name not in missed for asked, missed in wrong if name in asked] for name in names
    }
    right["all"] = [not missed for _, missed in wrong]
    return [Figure(prefix + name, sum(each) / len(each)) for name, each in right.items()]
