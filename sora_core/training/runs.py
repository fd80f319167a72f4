"""What `python -m sora_core train` can train, each with its data and its settings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from .. import presets
from ..models.autoencoder import Autoencoder
from ..shapes import Size
from .autoencoder import AutoencoderTask, normalise
from .dataset import Shelf, read_shards, render_shelf
from .distributed import Ranks
from .trainer import Progress, TrainingConfig, train

TEST_SEED = 900_000_000
TEST_SHELF = Shelf(Size(64, 64, 17), 128, TEST_SEED, held_out=True)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where rendered clips and runs are kept."""

    root: Path

    @property
    def world(self) -> Path:
        return self.root / "world"

    def run(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoencoderRun:
    """Trains the autoencoder of sora-mini."""

    folders: Folders
    shelves: tuple[Shelf, ...]
    config: TrainingConfig
    resume: bool
    on_progress: Callable[[Progress], None]

    def __call__(self, ranks: Ranks) -> None:
        torch.manual_seed(self.config.seed)
        model = Autoencoder(presets.mini_autoencoder())
        clips = [clip for shelf in self.shelves for clip in read_shards(shelf.shards(self.folders.world))]
        shown = next(read_shards(TEST_SHELF.shards(self.folders.world)))
        task = AutoencoderTask(model, clips, shown, self.config.batch, self.config.seed)
        folder = self.folders.run("autoencoder")
        average = train(
            task, self.config, folder, ranks, resume=self.resume, on_progress=self.on_progress
        )
        if ranks.first:
            normalise(average, clips)
            save_weights(average, folder / "autoencoder.safetensors")
