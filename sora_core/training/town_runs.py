"""The runs of `python -m sora_core train autoencoder wide` and `... train transformer wide`.

Both start from a model file, by default the released one. The autoencoder's latents are aligned to
those of that file, so that a transformer trained on these needs little further training.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from ..checkpoints.checkpoint import (
    SamplingSettings,
    load_autoencoder,
    load_transformer,
    read_config,
    write_checkpoint,
)
from ..checkpoints.safetensors_io import load_into, write_tensors
from ..checkpoints.text_file import load_text
from ..models.autoencoder import Autoencoder
from ..models.text_encoder import encode
from ..paths import released_folder
from .autoencoder import AutoencoderTask
from .decoder import with_one_decoder
from .distributed import Ranks
from .experiment import AUTOENCODER_NAME, TRANSFORMER_NAME, OnShard
from .latent_alignment import align
from .mixed_clips import read_buckets
from .mixed_task import MixedTask
from .sensitivity import decoder_sensitivity
from .town_clips import read_pictures, write_pictures, write_town_shelf
from .town_recipes import TownRecipe
from .trainer import Progress, train
from .warm_start import warm_started

RELEASED = released_folder() / "sora-mini.safetensors"
COLOUR_CLIPS = 16
SENSITIVITY_CLIPS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class TownRun(ABC):
    """The training of one part of a recipe of the toy town, in `root`; each process calls it once.

    `share` of the clips of each shelf is rendered and used: a run can start with few clips and
    continue with more.
    """

    recipe: TownRecipe
    root: Path
    resume: bool
    on_progress: Callable[[Progress], None]
    start: Path | None = None
    share: float = 1.0

    @abstractmethod
    def prepare(self, on_shard: OnShard) -> None:
        """Writes missing training data of the run."""

    @abstractmethod
    def __call__(self, ranks: Ranks) -> None: ...

    @property
    def model_file(self) -> Path:
        return self.start or RELEASED

    def folder(self, name: str) -> Path:
        folder = self.root / self.recipe.name / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def autoencoder(self) -> Autoencoder:
        """The recipe's autoencoder if it is trained, else that of the model file."""
        weights = self.folder(AUTOENCODER_NAME) / "weights.safetensors"
        model = with_one_decoder(load_autoencoder(self.model_file, read_config(self.model_file)))
        if weights.exists():
            load_into(model, weights)
        return model.eval().requires_grad_(False)


class TownAutoencoderRun(TownRun):
    def prepare(self, on_shard: OnShard) -> None:
        shelves = (*self.recipe.pictures, self.recipe.validation)
        for i, shelf in enumerate(shelves):
            write_pictures(self.folder("pictures"), shelf, self.share)
            on_shard("rendering pictures", i + 1, len(shelves))

    def __call__(self, ranks: Ranks) -> None:
        config, folder = self.recipe.autoencoder_training, self.folder(AUTOENCODER_NAME)
        torch.manual_seed(config.seed)
        pictures = self.folder("pictures")
        clips = [
            read_pictures(path)
            for shelf in self.recipe.pictures
            for path in shelf.shards(pictures, self.share)
        ]
        validation = read_pictures(self.recipe.validation.shards(pictures, self.share)[0])
        before = with_one_decoder(load_autoencoder(self.model_file, read_config(self.model_file)))
        model = copy.deepcopy(before).train().requires_grad_(True)
        task = AutoencoderTask(model, clips, validation, config.batch, config.seed)
        average = train(
            task, config, folder, ranks, resume=self.resume, on_progress=self.on_progress
        )
        if ranks.first:
            align(average, before, clips)
            write_tensors(folder / "weights.safetensors", average.state_dict())


class TownTransformerRun(TownRun):
    def prepare(self, on_shard: OnShard) -> None:
        """Writes missing encoded clips of the test and training shelves.

        The recipe's autoencoder encodes them; until it is trained, that of the model file.
        `on_shard` receives a name with the size of the clips, the number of finished files and
        their total; the test shelf is not reported.
        """
        autoencoder = self.autoencoder()
        encoder, tokenizer = load_text()
        write = partial(
            write_town_shelf,
            self.folder("clips"),
            autoencoder=autoencoder,
            encoder=encoder,
            tokenizer=tokenizer,
        )
        write(self.recipe.test)
        for shelf in self.recipe.shelves:
            size = shelf.size
            report = partial(on_shard, f"clips of {size.width}x{size.height}x{size.frames}")
            write(shelf, share=self.share, on_shard=report)

    def __call__(self, ranks: Ranks) -> None:
        recipe, config = self.recipe, self.recipe.transformer_training
        torch.manual_seed(config.seed)
        folder, clips = self.folder(TRANSFORMER_NAME), self.folder("clips")
        shards = [shelf.shards(clips, self.share) for shelf in recipe.shelves]
        buckets = [read_buckets(paths)[0] for paths in shards]
        test = read_buckets(recipe.test.shards(clips))[0]
        autoencoder = self.autoencoder()
        empty = encode(*load_text(), [""]).states[0].clone()
        channel_weight = None
        if recipe.weigh_by_decoder:
            channel_weight = decoder_sensitivity(
                autoencoder, buckets[0].latents[:SENSITIVITY_CLIPS].float()
            )
        trained = load_transformer(self.model_file, read_config(self.model_file))
        task = MixedTask(
            warm_started(trained, recipe.transformer).train().requires_grad_(True),
            autoencoder,
            buckets,
            recipe.weights,
            test,
            empty,
            recipe.learning,
            config.batch,
            config.seed,
            channel_weight,
        )
        average = train(
            task, config, folder, ranks, resume=self.resume, on_progress=self.on_progress
        )
        if ranks.first:
            write_checkpoint(
                folder / f"{recipe.name}.safetensors",
                average.dit,
                autoencoder,
                name=recipe.name,
                sampling=SamplingSettings(window=recipe.window),
                latents=test.latents[:COLOUR_CLIPS].float(),
            )
