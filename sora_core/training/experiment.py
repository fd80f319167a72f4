"""The base of all runs of `python -m sora_core train`: files, folders and prepared data."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from ..checkpoints.safetensors_io import load_into
from ..errors import TrainingError
from ..models.autoencoder import Autoencoder
from .dataset import CAPTIONS, Shelf, render_shelf
from .distributed import Ranks
from .latent_dataset import encode_shards
from .recipes import Recipe
from .trainer import Progress

AUTOENCODER_NAME, TRANSFORMER_NAME = "autoencoder", "transformer"

OnShard = Callable[[str, int, int], None]
"""Receives the name of a preparation, the number of finished files, and their total."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run(ABC):
    """The training of one part of a recipe, in `root`; each process calls it once.

    If `needs_latents`, its training data are latents of the clips. An autoencoder or a transformer
    can `start` from the weights in a model file instead of random ones.
    """

    needs_latents: ClassVar[bool] = False

    recipe: Recipe
    root: Path
    resume: bool
    on_progress: Callable[[Progress], None]
    start: Path | None = None

    @property
    @abstractmethod
    def needed(self) -> tuple[Shelf, ...]:
        """The clips to render, except those of the test."""

    @property
    def rendered(self) -> tuple[Shelf, ...]:
        """All clips to render."""
        return (*self.needed, self.recipe.test)

    @abstractmethod
    def __call__(self, ranks: Ranks) -> None: ...

    @property
    def world(self) -> Path:
        """The folder of rendered clips, which all recipes share."""
        return self.root / "world"

    def folder(self, name: str) -> Path:
        """The folder `name` of this recipe, created if missing."""
        folder = self.root / self.recipe.name / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def shards(self, *shelves: Shelf) -> list[Path]:
        """The rendered shards of `shelves`."""
        return [path for shelf in shelves for path in shelf.shards(self.world)]

    def latent_shards(self, shelf: Shelf) -> list[Path]:
        """The latents of the shards of `shelf`."""
        return [self.folder("latents") / path.name for path in self.shards(shelf)]

    def trained_autoencoder(self) -> Autoencoder:
        """The recipe's autoencoder in eval mode; TrainingError if it is not trained yet."""
        weights = self.folder(AUTOENCODER_NAME) / "weights.safetensors"
        if not weights.exists():
            raise TrainingError("there is no trained autoencoder yet: train that first")
        autoencoder = Autoencoder(self.recipe.autoencoder).eval().requires_grad_(False)
        load_into(autoencoder, weights)
        return autoencoder

    def derive(self, on_shard: OnShard) -> None:
        """Computes missing files that the run needs besides rendered clips, such as latents."""
        if self.needs_latents:
            encode_shards(
                self.shards(*self.needed, self.recipe.test),
                self.folder("latents"),
                self.trained_autoencoder(),
                partial(on_shard, "encoding"),
            )


def prepare(run: Run, threads: int, on_shard: OnShard) -> None:
    """Renders the missing clips of `run` in `threads`, then derives its other data."""
    for shelf in run.rendered:
        print_line = partial(
            on_shard, f"rendering {shelf.size.width}x{shelf.size.height}x{shelf.size.frames}"
        )
        render_shelf(run.world, shelf, CAPTIONS, threads, print_line)
    run.derive(on_shard)
