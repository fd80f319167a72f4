"""The shipped attribute classifier: loading, its answers about clips, and their accuracy."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..checkpoints.safetensors_io import load_module, read_format
from ..errors import WeightsError
from ..models.attribute_classifier import CLASSIFIER_FORMAT, AttributeClassifier, ClassifierConfig
from ..models.autoencoder import Autoencoder
from ..pipeline.generate import MODELS
from ..shapes import Frames
from ..video.frames import video_from_frames
from ..world.render import render
from ..world.scene import sample_scene
from .heldout_clips import through
from .report import Figure

CLASSIFIER_PATH = MODELS / "reader.safetensors"
CLASSIFIER_SEED = 965_000_000  # seeds from 960 million on were used while tuning the classifier

Labels = Mapping[str, str]
"""One word for each question, such as colour or motion."""


@dataclass(frozen=True, slots=True)
class ClassifierResult:
    """The wanted labels of a clip, and those that the classifier reads in it."""

    asked: Labels
    read: Labels

    @property
    def wrong(self) -> list[str]:
        """The questions whose answers differ from the wanted ones."""
        return [name for name, word in self.asked.items() if self.read[name] != word]


def load_classifier(path: Path = CLASSIFIER_PATH) -> AttributeClassifier:
    """The classifier in the file at `path`; WeightsError for any other file."""
    metadata = read_format(path, CLASSIFIER_FORMAT, "classifier")
    words = _answer_words(path, metadata.get("words", ""))
    try:
        return load_module(partial(AttributeClassifier, ClassifierConfig(), words), path)
    except KeyError as error:  # a question's name that torch does not take for a module's
        raise WeightsError(
            f"{path.name[:60]!a:.62} is no classifier: a question has an odd name; download it "
            "again"
        ) from error


def _answer_words(path: Path, text: str) -> dict[str, list[str]]:
    """The answers to each question from the JSON in `text`; WeightsError where it is malformed."""
    problem = "its words must be a table of lists of texts; download it again"
    try:
        words = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path.name[:60]!a:.62} is no classifier: {problem}") from error
    if isinstance(words, dict) and all(
        isinstance(answers, list) and answers and all(isinstance(word, str) for word in answers)
        for answers in words.values()
    ):
        return words
    raise WeightsError(f"{path.name[:60]!a:.62} is no classifier: {problem}")


def classify(reader: AttributeClassifier, frames: Frames) -> dict[str, str]:
    """The classifier's answer to each question about one clip."""
    return reader.read(video_from_frames(frames)[None])[0]


def true_results(
    reader: AttributeClassifier,
    autoencoder: Autoencoder | None,
    count: int,
    first: int = CLASSIFIER_SEED,
) -> Iterator[ClassifierResult]:
    """The classifier's answers about held-out clips; with an `autoencoder`, reconstructed ones."""
    for seed in range(first, first + count):
        scene = sample_scene(seed, held_out=True)
        frames = render(scene, reader.config.size).frames
        pixels = frames if autoencoder is None else through(autoencoder, frames)
        yield ClassifierResult(scene.labels, classify(reader, pixels))


def right_shares(readings: Sequence[ClassifierResult], prefix: str = "") -> list[Figure]:
    """For each question the share of right answers, and the share of clips without a mistake."""
    wrong = [(reading.asked, reading.wrong) for reading in readings]
    names = dict.fromkeys(name for asked, _ in wrong for name in asked)
    right = {
        name: [name not in missed for asked, missed in wrong if name in asked] for name in names
    }
    right["all"] = [not missed for _, missed in wrong]
    return [Figure(prefix + name, sum(each) / len(each)) for name, each in right.items()]
