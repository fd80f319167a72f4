"""Training of the attribute classifier on true clips, as rendered and as reconstructed.

Axes: b batch, n clips, t frames, y rows, x columns, q questions.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..checkpoints.safetensors_io import write_tensors
from ..models.attribute_classifier import (
    CLASSIFIER_FORMAT,
    CLASSIFIER_SIZE,
    AttributeClassifier,
    ClassifierConfig,
)
from ..models.autoencoder import Autoencoder
from ..shapes import Video
from ..video.frames import frames_from_video, video_from_frames
from ..world.scene import CAMERAS, COLOURS, FLOORS, MOTIONS, SHAPES, SKIES
from .dataset import ClipShard, Shelf
from .distributed import Ranks
from .trainer import Progress, TrainingConfig, train

WORDS = {
    "colour": COLOURS,
    "shape": SHAPES,
    "motion": MOTIONS,
    "camera": CAMERAS,
    "floor": FLOORS,
    "sky": SKIES,
}
CLASSIFIER_NOISE = 0.1  # noise on latents, since generated ones differ from encoded ones
DECODED = 3  # one clip in this many is learned a second time, reconstructed


@dataclass(frozen=True, slots=True)
class ClassifierDataset:
    """Clips, and the index of the right answer to each question."""

    frames: UInt8[Tensor, "n t y x 3"]
    answers: Int[Tensor, "n q"]

    @classmethod
    def from_latents(
        cls, shards: Iterable[ClipShard], autoencoder: Autoencoder | None = None
    ) -> "ClassifierDataset":
        """The clips with one object; with an `autoencoder`, one in `DECODED` reconstructed too."""
        frames, answers = [], []
        for shard in shards:
            for clip, things, labels in zip(shard.frames, shard.things, shard.labels, strict=True):
                if len(things) > 1:
                    continue
                answer = torch.tensor([words.index(labels[q]) for q, words in WORDS.items()])
                versions = [clip]
                if autoencoder and len(frames) % (DECODED + 1) == 0:
                    versions.append(decoded_shard(clip, autoencoder))
                frames += versions
                answers += [answer] * len(versions)
        return cls(torch.stack(frames), torch.stack(answers))


@torch.inference_mode()
def decoded_shard(
    clip: UInt8[Tensor, "t y x 3"], autoencoder: Autoencoder
) -> UInt8[Tensor, "t y x 3"]:
    """`clip` decoded from its latent with a little noise."""
    with torch.autocast("cpu", torch.bfloat16):
        latent = autoencoder.encode(video_from_frames(clip)[None])
        noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(0))
        return frames_from_video(autoencoder.decode(latent + CLASSIFIER_NOISE * noise)[0])


def reader_shelves() -> tuple[Shelf, ...]:
    """The classifier's training clips: combinations for training generators, and held-out ones.

    Without the latter it confuses a still cube with a spinning one if its training has no still
    cube of that colour, and measurements on held-out combinations would count its errors.
    """
    return Shelf(CLASSIFIER_SIZE, 5120, 100_000_000), Shelf(
        CLASSIFIER_SIZE, 1600, 800_000_000, held_out=True
    )


def reader_training() -> TrainingConfig:
    """Settings for about five minutes on one core."""
    return TrainingConfig(steps=1600, batch=8, warmup=50, decay=0.5, average=0.99, show_every=200)


def train_reader(
    lessons: ClassifierDataset,
    test: ClassifierDataset,
    config: TrainingConfig,
    folder: Path,
    ranks: Ranks,
    *,
    resume: bool,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> AttributeClassifier:
    """A classifier trained on `lessons`; `folder` holds its accuracy on `test`."""
    torch.manual_seed(config.seed)
    task = ReaderTask(
        AttributeClassifier(ClassifierConfig(), WORDS), lessons, test, config.batch, config.seed
    )
    return train(task, config, folder, ranks, resume=resume, on_progress=on_progress)


def save_reader(reader: AttributeClassifier, path: Path) -> None:
    """Writes the weights in half precision to the file at `path`, with the words of the answers."""
    tensors = {name: tensor.half() for name, tensor in reader.state_dict().items()}
    words = {name: list(words) for name, words in reader.words.items()}
    write_tensors(path, tensors, {"format": CLASSIFIER_FORMAT, "words": json.dumps(words)})


def mirrored(word: str) -> str:
    """The answer for the mirror image where `word` is the answer for a clip."""
    side = {"left": "right", "right": "left"}
    return " ".join(side.get(part, part) for part in word.split())


class ReaderTask:
    """Task: answer all questions about true clips and their mirror images."""

    def __init__(
        self,
        model: AttributeClassifier,
        lessons: ClassifierDataset,
        test: ClassifierDataset,
        batch: int,
        seed: int,
    ) -> None:
        self.model, self.lessons, self.test = model, lessons, test
        self.batch, self.seed = batch, seed
        self.mirror = [
            torch.tensor([words.index(mirrored(word)) for word in words])
            for words in WORDS.values()
        ]

    def matrices(self) -> set[str]:
        return {
            name
            for name, parameter in self.model.named_parameters()
            if parameter.ndim >= 2 and name.startswith(("levels.", "merges.", "keys_values", "mix"))
        }

    def draw(self, step: int, ranks: Ranks) -> tuple[Video, Int[Tensor, "b q"]]:
        """The clips of `step` for this rank, half of them mirrored, and their answers."""
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + ranks.rank)
        count = self.batch // ranks.count
        rows = torch.randint(len(self.lessons.frames), (count,), generator=generator)
        flips = torch.rand(count, generator=generator) < 0.5
        videos, answers = [], self.lessons.answers[rows].clone()
        for i, row in enumerate(rows.tolist()):
            video = video_from_frames(self.lessons.frames[row])
            videos.append(video.flip(-1) if flips[i] else video)
        for q, mirror in enumerate(self.mirror):
            answers[flips, q] = mirror[answers[flips, q]]
        return torch.stack(videos), answers

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The sum of the questions' cross-entropies, and each of them."""
        video, answers = self.draw(step, ranks)
        logits = self.model(video)
        parts = {
            name: cross_entropy(values.float(), answers[:, q])
            for q, (name, values) in enumerate(logits.items())
        }
        return torch.stack(list(parts.values())).sum(), parts

    def show(self, average: AttributeClassifier, step: int, folder: Path) -> Mapping[str, float]:
        """The share of right answers to each question on the test clips."""
        right = []
        for frames, answers in zip(self.test.frames, self.test.answers, strict=True):
            with torch.inference_mode():
                logits = average(video_from_frames(frames)[None])
            best = torch.cat([values.argmax(dim=-1) for values in logits.values()])
            right.append((best == answers).float())
        shares = torch.stack(right).mean(0).tolist()
        return dict(zip(WORDS, shares, strict=True))
