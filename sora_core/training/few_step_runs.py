"""The runs of `python -m sora_core train few-steps`: a LoRA for few steps, from a recipe's clips.

The clips give captions, shapes and known footage; the teacher gives all that is learned.

Axes: l words, e text width.
"""

import copy
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..checkpoints.checkpoint import load_autoencoder, load_transformer, read_config
from ..checkpoints.lora_file import FewSteps, write_lora
from ..checkpoints.text_file import load_text
from ..models.autoencoder import Autoencoder
from ..models.text_encoder import encode
from .conditioning_masks import KnownSpan
from .dataset import Shelf
from .decoder import with_one_decoder
from .distributed import Ranks
from .experiment import TRANSFORMER_NAME
from .experiments import TransformerRun
from .few_steps import DrawBatch, FewStepTask
from .latent_dataset import read_latents
from .lora import add_lora
from .mixed_clips import read_buckets
from .mixed_task import MixedTask
from .town_runs import RELEASED, TownTransformerRun
from .trainer import train
from .transformer import Mix, TransformerTask

FEW_STEPS = "few-steps"
SAMPLER_STEPS, RANK = 4, 32
CLIPS = 1024  # of the shelf of 64x64 pixels


class FewStepsRun(TransformerRun):
    """Trains the LoRA of a model of the built-in world, on a part of its clips."""

    @property
    def needed(self) -> tuple[Shelf, ...]:
        first = self.recipe.clips[0]
        return (replace(first, clips=min(CLIPS, first.clips)),)

    @property
    def fading(self) -> dict[KnownSpan, list[Path]]:
        return {}

    @property
    def teacher_file(self) -> Path:
        return self.start or RELEASED

    def trained_autoencoder(self) -> Autoencoder:
        """The autoencoder of the teacher's file."""
        return with_one_decoder(load_autoencoder(self.teacher_file, read_config(self.teacher_file)))

    def __call__(self, ranks: Ranks) -> None:
        test = read_latents(self.latent_shards(self.recipe.test))
        clips = [read_latents(self.latent_shards(shelf)) for shelf in self.needed]
        config, empty = self.recipe.few_steps_training, empty_text()
        source = TransformerTask(
            load_transformer(self.teacher_file, read_config(self.teacher_file)),
            self.trained_autoencoder(),
            clips,
            test,
            (),
            empty,
            Mix(weights=(1.0,)),
            config.batch,
            config.seed,
        )
        train_few_steps(self, source.draw, empty, ranks)


class TownFewStepsRun(TownTransformerRun):
    """Trains the LoRA of the recipe's own transformer, on clips of all of its sizes and rates."""

    @property
    def teacher_file(self) -> Path:
        return self.start or self.folder(TRANSFORMER_NAME) / f"{self.recipe.name}.safetensors"

    def __call__(self, ranks: Ranks) -> None:
        recipe, config, empty = self.recipe, self.recipe.few_steps_training, empty_text()
        shards = [shelf.shards(self.folder("clips"), self.share) for shelf in recipe.shelves]
        source = MixedTask(
            load_transformer(self.teacher_file, read_config(self.teacher_file)),
            self.autoencoder(),
            [read_buckets(paths)[0] for paths in shards],
            recipe.weights,
            read_buckets(recipe.test.shards(self.folder("clips")))[0],
            empty,
            recipe.learning,
            config.batch,
            config.seed,
        )
        train_few_steps(self, source.draw, empty, ranks)


def train_few_steps(
    run: FewStepsRun | TownFewStepsRun, draw: DrawBatch, empty: Float[Tensor, "l e"], ranks: Ranks
) -> None:
    """Trains a LoRA for the teacher of `run`, and writes it to the run's folder.

    `empty` has the token states of the empty prompt.
    """
    config, folder = run.recipe.few_steps_training, run.folder(FEW_STEPS)
    torch.manual_seed(config.seed)
    settings = read_config(run.teacher_file)
    teacher = load_transformer(run.teacher_file, settings)
    student = add_lora(copy.deepcopy(teacher).train(), RANK, float(RANK), config.seed)
    task = FewStepTask(student, teacher, draw, empty, settings.sampling, SAMPLER_STEPS, config.seed)
    average = train(task, config, folder, ranks, resume=run.resume, on_progress=run.on_progress)
    if ranks.first:
        name = f"{settings.name}-{SAMPLER_STEPS}-steps.safetensors"
        write_lora(
            folder / name, average.state_dict(), RANK, float(RANK), FewSteps(steps=SAMPLER_STEPS)
        )


def empty_text() -> Float[Tensor, "l e"]:
    """The token states of the empty prompt."""
    return encode(*load_text(), [""]).states[0].clone()
