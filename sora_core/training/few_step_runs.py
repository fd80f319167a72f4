"""The runs of `python -m sora_core train few-steps`: a LoRA for few steps, from a recipe's clips.

The clips give captions, shapes and known footage; the teacher gives all that is learned.
"""

import copy
from dataclasses import replace
from pathlib import Path

import torch

from ..checkpoints.checkpoint import load_autoencoder, load_transformer, read_config
from ..checkpoints.lora_file import FewSteps, write_lora
from ..checkpoints.text_file import load_text
from ..models.autoencoder import Autoencoder
from ..models.text_encoder import encode
from .conditioning_masks import KnownSpan
from .dataset import Shelf
from .decoder import with_one_decoder
from .distributed import Ranks
from .experiments import TransformerRun
from .few_steps import DrawBatch, FewStepBatch, FewStepTask
from .latent_dataset import read_latents
from .lora import add_lora
from .mixed_clips import read_buckets
from .mixed_task import MixedTask
from .town_runs import RELEASED, TRANSFORMER, TownTransformerRun
from .trainer import TrainingConfig, train
from .transformer import Mix, TransformerTask

FEW_STEPS = "few-steps"
SAMPLER_STEPS, RANK = 4, 32
CLIPS = 1024  # of the shelf of 64x64 pixels
BUILT_IN_FPS = 8.0  # of the clips of the built-in world


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

        def draw(step: int, ranks: Ranks) -> FewStepBatch:
            batch = source.draw(step, ranks)
            fps = torch.full((len(batch.clean),), BUILT_IN_FPS)
            parts = batch.clean, batch.noise, batch.open_mask, batch.text, batch.text_mask
            return FewStepBatch(*parts, fps, 0.0)

        train_few_steps(self, self.teacher_file, draw, empty, config, self.folder(FEW_STEPS), ranks)


class TownFewStepsRun(TownTransformerRun):
    """Trains the LoRA of the recipe's own transformer, on clips of all of its sizes and rates."""

    @property
    def teacher_file(self) -> Path:
        return self.start or self.folder(TRANSFORMER) / f"{self.recipe.name}.safetensors"

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

        def draw(step: int, ranks: Ranks) -> FewStepBatch:
            batch = source.draw(step, ranks)
            parts = batch.clean, batch.noise, batch.open_mask, batch.text, batch.text_mask
            return FewStepBatch(*parts, batch.fps, batch.start)

        train_few_steps(self, self.teacher_file, draw, empty, config, self.folder(FEW_STEPS), ranks)


def train_few_steps(
    run: FewStepsRun | TownFewStepsRun,
    teacher_file: Path,
    draw: DrawBatch,
    empty: torch.Tensor,
    config: TrainingConfig,
    folder: Path,
    ranks: Ranks,
) -> None:
    """Trains a LoRA for the model in `teacher_file`, and writes it to `folder`."""
    torch.manual_seed(config.seed)
    settings = read_config(teacher_file)
    teacher = load_transformer(teacher_file, settings)
    student = add_lora(copy.deepcopy(teacher).train(), RANK, float(RANK), config.seed)
    task = FewStepTask(student, teacher, draw, empty, settings.sampling, SAMPLER_STEPS, config.seed)
    average = train(task, config, folder, ranks, resume=run.resume, on_progress=run.on_progress)
    if ranks.first:
        name = f"{settings.name}-{SAMPLER_STEPS}-steps.safetensors"
        write_lora(
            folder / name, average.state_dict(), RANK, float(RANK), FewSteps(steps=SAMPLER_STEPS)
        )


def empty_text() -> torch.Tensor:
    """The token states of the empty prompt."""
    return encode(*load_text(), [""]).states[0].clone()
