"""A run of `python -m sora_core train`: what all of them share, and what is made ready for them."""

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

AUTOENCODER_NAME = "autoencoder"

OnShard = Callable[[str, int, int], None]
"""Is told what is being made ready, how many files of it are, and of how many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run(ABC):
    """One part of a recipe, trained in `root`; called once by each process.

    Where it `sees_latents`, it learns from what the autoencoder makes of the clips. An autoencoder
    or a transformer can `start` from those of a model file, and not from chance.
    """

    sees_latents: ClassVar[bool] = False

    recipe: Recipe
    root: Path
    resume: bool
    on_progress: Callable[[Progress], None]
    start: Path | None = None

    @property
    @abstractmethod
    def needed(self) -> tuple[Shelf, ...]:
        """The clips to render, the test apart."""

    @property
    def rendered(self) -> tuple[Shelf, ...]:
        """The clips to render, the test too."""
        return (*self.needed, self.recipe.test)

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
        weights = self.folder(AUTOENCODER_NAME) / "weights.safetensors"
        if not weights.exists():
            raise TrainingError("there is no trained autoencoder yet: train that first")
        autoencoder = Autoencoder(self.recipe.autoencoder).eval().requires_grad_(False)
        load_into(autoencoder, weights)
        return autoencoder

    def derive(self, on_shard: OnShard) -> None:
        """Makes of the rendered clips what else the run learns from, where it is missing."""
        if self.sees_latents:
            encode_shards(
                self.shards(*self.needed, self.recipe.test),
                self.folder("latents"),
                self.trained_autoencoder(),
                partial(on_shard, "encoding"),
            )


def prepare(run: Run, threads: int, on_shard: OnShard) -> None:
    """Renders the clips of the run where missing, and makes of them what else it learns from."""
    for shelf in run.rendered:
        print_line = partial(
            on_shard, f"rendering {shelf.size.width}x{shelf.size.height}x{shelf.size.frames}"
        )
        render_shelf(run.world, shelf, CAPTIONS, threads, print_line)
    run.derive(on_shard)
