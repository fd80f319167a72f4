"""What `python -m sora_core train` trains: each run with its data and its settings.

A run is a plain object that each training process calls with its rank.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from ..bundle import write_bundle
from ..errors import TrainingError
from ..models.autoencoder import Autoencoder
from ..models.dit import DiT, DiTConfig
from ..models.text import TextEncoder, encode
from ..models.tokens import Tokenizer
from ..models.vocabulary import Vocabulary
from ..weights import load_into, write
from .autoencoder import AutoencoderTask, normalise
from .captioner import (
    STRANGERS,
    Tellings,
    read_tellings,
    save_captioner,
    strangers,
    train_captioner,
)
from .dataset import Shelf, read_shards, render_shelf
from .distributed import Ranks
from .latents import encode_shards, read_latents
from .reader import Lessons, save_reader, train_reader
from .recipes import Recipe
from .trainer import Progress, TrainingConfig, train
from .transformer import Mix, TransformerTask

AUTOENCODER, TRANSFORMER, READER = "autoencoder", "transformer", "reader"
CAPTIONER, RECAPTIONING = "captioner", "recaptioning"
ARMS = {"short": (0,), "descriptive": (1,)}
"""Which captions each transformer of the re-captioning experiment learns from."""
CAPTIONS = 2  # ways of saying each clip, each once short and once long


@dataclass(frozen=True, kw_only=True, slots=True)
class Run(ABC):
    """One part of a recipe, trained in `root`; called once by each process.

    Where it `sees_latents`, it learns from what the autoencoder makes of the clips.
    """

    sees_latents: ClassVar[bool] = False

    recipe: Recipe
    root: Path
    resume: bool
    on_progress: Callable[[Progress], None]

    @property
    @abstractmethod
    def needed(self) -> tuple[Shelf, ...]:
        """The clips to render, the test apart."""

    @abstractmethod
    def __call__(self, ranks: Ranks) -> None: ...

    @property
    def world(self) -> Path:
        return self.root / "world"

    def folder(self, name: str) -> Path:
        folder = self.root / self.recipe.name / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def shards(self, *shelves: Shelf) -> list[Path]:
        return [path for shelf in shelves for path in shelf.shards(self.world)]

    def latent_shards(self, shelf: Shelf) -> list[Path]:
        return [self.folder("latents") / path.name for path in self.shards(shelf)]

    def trained_autoencoder(self) -> Autoencoder:
        weights = self.folder(AUTOENCODER) / "weights.safetensors"
        if not weights.exists():
            raise TrainingError("there is no trained autoencoder yet: train that first")
        autoencoder = Autoencoder(self.recipe.autoencoder).eval().requires_grad_(False)
        load_into(autoencoder, weights)
        return autoencoder


class AutoencoderRun(Run):
    @property
    def needed(self) -> tuple[Shelf, ...]:
        return self.recipe.pictures

    def __call__(self, ranks: Ranks) -> None:
        config, folder = self.recipe.autoencoder_training, self.folder(AUTOENCODER)
        torch.manual_seed(config.seed)
        clips = list(read_shards(self.shards(*self.recipe.pictures)))
        shown = next(read_shards(self.shards(self.recipe.test)))
        model = Autoencoder(self.recipe.autoencoder)
        task = AutoencoderTask(model, clips, shown, config.batch, config.seed)
        average = train(
            task, config, folder, ranks, resume=self.resume, on_progress=self.on_progress
        )
        if ranks.first:
            normalise(average, clips)
            write(folder / "weights.safetensors", average.state_dict())


class TransformerRun(Run):
    sees_latents = True

    @property
    def needed(self) -> tuple[Shelf, ...]:
        return self.recipe.clips

    def __call__(self, ranks: Ranks) -> None:
        recipe, mix = self.recipe, Mix(weights=self.recipe.weights)
        config = recipe.transformer_training
        self.learn(recipe.transformer, mix, config, self.folder(TRANSFORMER), ranks)

    def learn(
        self, model: DiTConfig, mix: Mix, config: TrainingConfig, folder: Path, ranks: Ranks
    ) -> None:
        """Trains a transformer on what is needed, and leaves a whole model file in `folder`."""
        torch.manual_seed(config.seed)
        encoder, tokenizer = TextEncoder.load(), Tokenizer.load()
        sizes = [read_latents(self.latent_shards(shelf)) for shelf in self.needed]
        test = read_latents(self.latent_shards(self.recipe.test))
        captions = [
            ways[1]
            for clips in read_shards(self.shards(self.recipe.test))
            for ways in clips.captions
        ]
        transformer = DiT(model)
        transformer.start()
        autoencoder = self.trained_autoencoder()
        task = TransformerTask(
            transformer,
            autoencoder,
            sizes,
            test,
            captions,
            encode(encoder, tokenizer, [""]).states[0],
            mix,
            config.batch,
            config.seed,
        )
        average = train(
            task, config, folder, ranks, resume=self.resume, on_progress=self.on_progress
        )
        if ranks.first:
            target = folder / f"{self.recipe.name}.safetensors"
            latents = test.latents[:16].float()
            write_bundle(target, average.dit, autoencoder, name=self.recipe.name, latents=latents)


class RecaptioningRun(TransformerRun):
    """The same small transformer twice, from the same start and on the same clips and noise: once
    told what they show in short captions, once in descriptive ones."""

    @property
    def needed(self) -> tuple[Shelf, ...]:
        return (self.recipe.learned,)

    def __call__(self, ranks: Ranks) -> None:
        for arm, captions in ARMS.items():
            mix = Mix(weights=(1.0,), captions=captions, known=0.0)
            folder = self.folder(f"{RECAPTIONING}/{arm}")
            self.learn(self.recipe.learner, mix, self.recipe.recaptioning_training, folder, ranks)


class ReaderRun(Run):
    @property
    def needed(self) -> tuple[Shelf, ...]:
        return self.recipe.lessons

    def __call__(self, ranks: Ranks) -> None:
        autoencoder, folder = self.trained_autoencoder(), self.folder(READER)
        reader = train_reader(
            Lessons.of(read_shards(self.shards(*self.needed)), autoencoder),
            Lessons.of(read_shards(self.shards(self.recipe.test)), autoencoder),
            self.recipe.reader_training,
            folder,
            ranks,
            resume=self.resume,
            on_progress=self.on_progress,
        )
        if ranks.first:
            save_reader(reader, folder / "reader.safetensors")


class CaptionerRun(Run):
    sees_latents = True

    @property
    def needed(self) -> tuple[Shelf, ...]:
        return self.recipe.tellings

    def __call__(self, ranks: Ranks) -> None:
        autoencoder, folder = self.trained_autoencoder(), self.folder(CAPTIONER)
        *shelves, test = (
            read_tellings(self.shards(shelf), self.latent_shards(shelf))
            for shelf in (*self.needed, self.recipe.test)
        )
        vocabulary = Vocabulary.of(
            text for _, captions, _ in (*shelves, test) for ways in captions for text in ways
        )
        config = self.recipe.captioner_training
        captioner = train_captioner(
            [Tellings.of(*shelf, vocabulary) for shelf in shelves],
            Tellings.of(*test, vocabulary),
            strangers(autoencoder, self.recipe.test.size, STRANGERS, config.seed),
            vocabulary,
            config,
            folder,
            ranks,
            resume=self.resume,
            on_progress=self.on_progress,
        )
        if ranks.first:
            save_captioner(captioner, folder / "captioner.safetensors")


def prepare(run: Run, threads: int, on_shard: Callable[[str, int, int], None]) -> None:
    """Renders the clips of the run, and for some parts encodes them, where missing."""
    for shelf in (*run.needed, run.recipe.test):
        name = f"rendering {shelf.size.width}x{shelf.size.height}x{shelf.size.frames}"
        render_shelf(
            run.world,
            shelf,
            CAPTIONS,
            threads,
            lambda done, total, name=name: on_shard(name, done, total),
        )
    if run.sees_latents:
        shards = run.shards(*run.needed, run.recipe.test)
        encode_shards(
            shards,
            run.folder("latents"),
            run.trained_autoencoder(),
            lambda done, total: on_shard("encoding", done, total),
        )
