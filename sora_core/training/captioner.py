"""Training of the captioner on latents of world clips, whole and cut, and on foreign latents.

Axes: b batch, n clips, c channels, t frames, y rows, x columns, m captions, l words.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Float16, Int
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate
from torch.nn.utils.rnn import pad_sequence

from ..checkpoints.safetensors_io import write_tensors
from ..models.autoencoder import Autoencoder
from ..models.captioner import CAPTIONER_FORMAT, Captioner, CaptionerAttention, CaptionerConfig
from ..models.vocabulary import END_SIGN, LONG_SIGN, SHORT_SIGN, UNCLEAR_SIGN, Vocabulary
from ..shapes import Latent, Size, Video
from .classifier import WORDS
from .dataset import Shelf, read_shards
from .distributed import Ranks
from .trainer import Progress, TrainingConfig, train

LATENT_SIGMA = 0.15  # noise on latents, since generated ones differ from encoded ones
CUT_SHARE = 0.35  # share of batches whose clips are cut to some of their frames
MIN_FRAMES = 3  # latent frames; motion is not visible in fewer
STRANGE = 0.06  # share of clips that do not come from the world
EMPTY_CLIPS = 128  # number of such clips
TRUTH_WEIGHT = 0.25
MOTION_QUESTIONS = ("motion", "camera")  # questions that need more than one frame
IGNORED = -100

CaptionTokens = list[list[str]]
"""For each clip its captions: short, long, short, long."""

LabelAnswers = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class CaptionDataset:
    """Clips of one size, their captions as padded ids with an end sign, and their true answers."""

    latents: Float16[Tensor, "n c t y x"]
    words: Int[Tensor, "n m l"]
    answers: Int[Tensor, "n q"]

    @classmethod
    def from_latents(
        cls, latents: Tensor, captions: CaptionTokens, labels: LabelAnswers, vocabulary: Vocabulary
    ) -> "CaptionDataset":
        """The dataset of clips with their `captions` and `labels`.

        Questions about motion are ignored for single frames.
        """
        rows = [
            torch.tensor([*vocabulary.numbers(c), END_SIGN]) for texts in captions for c in texts
        ]
        words = pad_sequence(rows, batch_first=True, padding_value=IGNORED)
        answerable = [
            name for name in WORDS if latents.shape[2] > 1 or name not in MOTION_QUESTIONS
        ]
        answers = [
            [WORDS[name].index(of[name]) if name in answerable else IGNORED for name in WORDS]
            for of in labels
        ]
        return cls(latents, words.view(len(captions), -1, words.shape[1]), torch.tensor(answers))


def captioner_shelves() -> tuple[Shelf, ...]:
    """The captioner's training clips, held-out combinations included (see `reader_shelves`)."""
    return (
        Shelf(Size(64, 64, 17), 9344, 100_000_000),
        Shelf(Size(64, 64, 17), 512, 800_000_000, held_out=True),
        Shelf(Size(112, 64, 17), 1024, 300_000_000),
        Shelf(Size(64, 112, 17), 896, 400_000_000),
        Shelf(Size(64, 64, 1), 512, 200_000_000),
    )


def captioner_training() -> TrainingConfig:
    """Settings for about forty minutes on one busy core."""
    return TrainingConfig(
        steps=1300,
        batch=16,
        warmup=50,
        decay=0.4,
        average=0.995,
        save_every=100,
        show_every=200,
    )


def read_captions(
    worlds: Sequence[Path], latents: Sequence[Path]
) -> tuple[Float16[Tensor, "n c t y x"], CaptionTokens, LabelAnswers]:
    """The latents of the shards of one shelf, their captions and their labels."""
    parts = []
    for path in latents:
        with safe_open(path, "pt") as file:
            parts.append(file.get_tensor("latents"))
    captions, labels = [], []
    for shard in read_shards(worlds):
        captions += shard.captions
        labels += shard.labels
    return torch.cat(parts), captions, labels


@torch.inference_mode()
def without_scene(autoencoder: Autoencoder, size: Size, count: int, seed: int) -> Latent:
    """Latents of `count` clips of drifting clouds, stripes and patches, without a scene."""
    generator = torch.Generator().manual_seed(seed)
    with torch.autocast("cpu", torch.bfloat16):
        parts = [autoencoder.encode(drift(size, generator)[None]) for _ in range(count)]
    return torch.cat(parts).half()


def drift(size: Size, generator: torch.Generator) -> Video:
    """A video of flowing noise at several scales in random colours; some scales stand still."""
    frames = torch.zeros(3, size.frames, size.height, size.width)
    for cells in (2, 4, 8, 16, 32):
        strength = torch.rand((), generator=generator) ** 2
        steps = int(torch.randint(1, 6, (), generator=generator))
        shape = [1, 3, steps, cells, cells]
        if torch.rand((), generator=generator) < 0.3:
            shape[3 + int(torch.randint(2, (), generator=generator))] = 1  # stripes
        noise = torch.randn(shape, generator=generator)
        if torch.rand((), generator=generator) < 0.3:
            noise = noise.sign()
        filled = interpolate(noise, frames.shape[1:], mode="trilinear")[0]
        frames += strength * filled
    tint = torch.randn(3, 1, 1, 1, generator=generator)
    return (0.7 * frames + 0.5 * tint).clamp(-1, 1)


def train_captioner(
    datasets: Sequence[CaptionDataset],
    test: CaptionDataset,
    strange: Latent,
    vocabulary: Vocabulary,
    config: TrainingConfig,
    folder: Path,
    ranks: Ranks,
    *,
    resume: bool,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Captioner:
    """A captioner trained on `datasets` and `strange`; `folder` holds its losses on `test`."""
    torch.manual_seed(config.seed)
    model = Captioner(CaptionerConfig(channels=strange.shape[1]), vocabulary)
    task = CaptionerTask(model, datasets, test, strange, config.batch, config.seed)
    average = train(task, config, folder, ranks, resume=resume, on_progress=on_progress)
    return average.captioner


def save_captioner(captioner: Captioner, path: Path) -> None:
    """Writes the weights in half precision to the file at `path`, with vocabulary and settings."""
    tensors = {name: tensor.half() for name, tensor in captioner.state_dict().items()}
    settings = {
        "format": CAPTIONER_FORMAT,
        "config": json.dumps(asdict(captioner.config)),
        "words": json.dumps(captioner.vocabulary.words),
    }
    write_tensors(path, tensors, settings)


@dataclass(frozen=True, slots=True)
class CaptionBatch:
    """A batch of clips, with a short and a long caption for each as padded ids with an end sign."""

    latent: Latent
    short: Int[Tensor, "b l"]
    long: Int[Tensor, "b l"]
    answers: Int[Tensor, "b q"]


class CaptionerModule(nn.Module):
    """The captioner with a head that answers questions about the clip, for training only.

    Few words of a caption depend on the shape or the motion, so the model would learn both last
    from captions alone.
    """

    def __init__(self, captioner: Captioner) -> None:
        super().__init__()
        self.captioner: Captioner = captioner
        width = captioner.config.width
        self.questions = nn.Parameter(torch.randn(len(WORDS), width))
        self.look = CaptionerAttention(width)
        self.answers = nn.ModuleDict({n: nn.Linear(width, len(w)) for n, w in WORDS.items()})

    def truth(self, features: Float[Tensor, "b n d"], answers: Int[Tensor, "b q"]) -> Tensor:
        """The sum of the questions' cross-entropies; ignored answers do not count."""
        found = self.look(self.questions.expand(len(features), -1, -1), features)
        errors = []
        for i, head in enumerate(self.answers.children()):
            if bool((answers[:, i] != IGNORED).any()):
                logits = head(found[:, i]).float()
                errors.append(cross_entropy(logits, answers[:, i], ignore_index=IGNORED))
        return torch.stack([features.new_zeros(()), *errors]).sum()


class CaptionerTask:
    """Task: predict the next word of both captions, and `<unclear>` for foreign latents."""

    def __init__(
        self,
        model: Captioner,
        datasets: Sequence[CaptionDataset],
        test: CaptionDataset,
        strange: Latent,
        batch: int,
        seed: int,
    ) -> None:
        self.model = CaptionerModule(model)
        self.datasets, self.test, self.strange = datasets, test, strange
        self.batch, self.seed = batch, seed
        self.weights = torch.tensor([float(len(part.latents)) for part in datasets])

    def matrices(self) -> set[str]:
        """The hidden matrices, for Muon."""
        return {
            name
            for name, parameter in self.model.named_parameters()
            if parameter.ndim == 2
            and name.startswith(("captioner.video_blocks.", "captioner.text_blocks.", "look."))
        }

    def draw(self, step: int, ranks: Ranks) -> CaptionBatch:
        """The batch of `step` for this rank: noised latents, some cut in time, some foreign."""
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + ranks.rank)
        part = self.datasets[int(torch.multinomial(self.weights, 1, generator=generator))]
        rows = torch.randint(len(part.latents), (self.batch // ranks.count,), generator=generator)
        latent = part.latents[rows].float()
        frames = latent.shape[2]
        if frames > MIN_FRAMES and torch.rand((), generator=generator) < CUT_SHARE:
            length = int(torch.randint(MIN_FRAMES, frames, (), generator=generator))
            start = int(torch.randint(frames - length + 1, (), generator=generator))
            latent = latent[:, :, start : start + length]
        row = 2 * int(torch.randint(part.words.shape[1] // 2, (), generator=generator))
        words, answers = part.words[rows, row : row + 2].clone(), part.answers[rows]
        for i in torch.nonzero(torch.rand(len(rows), generator=generator) < STRANGE).flatten():
            latent[i] = self.stranger(latent[i], generator)
            words[i, :, 1:], words[i, :, 0], answers[i] = IGNORED, UNCLEAR_SIGN, IGNORED
        level = LATENT_SIGMA * torch.rand(len(rows), 1, 1, 1, 1, generator=generator)
        latent = latent + level * torch.randn(latent.shape, generator=generator)
        return CaptionBatch(latent, words[:, 0], words[:, 1], answers)

    def stranger(self, clip: Tensor, generator: torch.Generator) -> Tensor:
        """A latent of the size of `clip` without a scene: shuffled, noise or a foreign clip."""
        kind = int(torch.randint(5, (), generator=generator))
        if kind == 0:
            cells = clip.flatten(2)
            order = torch.randperm(cells.shape[2], generator=generator)
            return cells[:, :, order].view_as(clip)
        if kind == 1:
            return torch.randn(clip.shape, generator=generator)
        row = int(torch.randint(len(self.strange), (), generator=generator))
        other = self.strange[row].float()[None]
        return interpolate(other, clip.shape[1:], mode="nearest-exact")[0]

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        parts = self.errors(self.model, self.draw(step, ranks))
        return torch.stack(list(parts.values())).sum(), parts

    def errors(self, model: CaptionerModule, batch: CaptionBatch) -> dict[str, Tensor]:
        """The cross-entropy per word of both captions, and the weighted one of the questions."""
        features, errors = model.captioner.encode_video(batch.latent), []
        for kind, captions in ((SHORT_SIGN, batch.short), (LONG_SIGN, batch.long)):
            captions = captions[:, (captions != IGNORED).any(0)]
            before = captions[:, :-1].clamp(min=END_SIGN)
            words = torch.cat([torch.full((len(captions), 1), kind), before], dim=1)
            logits = model.captioner.next_words(words, features).flatten(0, 1).float()
            errors.append(cross_entropy(logits, captions.flatten(), ignore_index=IGNORED))
        truth = model.truth(features, batch.answers)
        return {"words": torch.stack(errors).mean(), "truth": TRUTH_WEIGHT * truth}

    @torch.inference_mode()
    def show(self, average: CaptionerModule, step: int, folder: Path) -> Mapping[str, float]:
        """The losses on held-out clips."""
        test = self.test
        batch = CaptionBatch(test.latents.float(), test.words[:, 0], test.words[:, 1], test.answers)
        return {f"test/{name}": float(e) for name, e in self.errors(average, batch).items()}
