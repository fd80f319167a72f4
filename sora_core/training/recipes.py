"""Recipes of models: their sizes, training clips and training settings."""

from dataclasses import dataclass, replace

from ..checkpoints import presets
from ..models.autoencoder import AutoencoderConfig
from ..models.dit import DiTConfig
from ..shapes import Size
from .captioner import captioner_shelves, captioner_training
from .classifier import reader_shelves, reader_training
from .dataset import Shelf
from .text import TextRecipe, smoke_text, text_recipe, text_training
from .trainer import TrainingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """The parts of a model and their training.

    `weights` are the shares of training steps for each shelf of `clips`; `fading_weight` is the
    share for clips that fade into one another.
    """

    name: str
    autoencoder: AutoencoderConfig
    transformer: DiTConfig
    pictures: tuple[Shelf, ...]  # for the autoencoder
    clips: tuple[Shelf, ...]  # for the transformer
    weights: tuple[float, ...]
    fading: int  # clips of the first shelf of `clips` that are also used for fades
    fading_weight: float
    generated: Shelf  # for the generated decoder
    lessons: tuple[Shelf, ...]  # for the attribute classifier
    captioner_clips: tuple[Shelf, ...]  # for the captioner
    test: Shelf
    autoencoder_training: TrainingConfig
    transformer_training: TrainingConfig
    few_steps_training: TrainingConfig
    decoder_training: TrainingConfig
    reader_training: TrainingConfig
    captioner_training: TrainingConfig
    learner: DiTConfig  # for the re-captioning experiment, trained twice
    learned: Shelf
    recaptioning_training: TrainingConfig
    text: TextRecipe
    text_training: TrainingConfig


def mini_recipe() -> Recipe:
    """The recipe of the shipped model."""
    return Recipe(
        name="sora-mini",
        autoencoder=presets.mini_autoencoder(),
        transformer=presets.mini(),
        pictures=(
            Shelf(Size(64, 64, 17), 1280, 0),
            Shelf(Size(96, 96, 17), 384, 10_000_000),
            Shelf(Size(112, 64, 17), 256, 20_000_000),
            Shelf(Size(64, 112, 17), 256, 30_000_000),
        ),
        clips=(
            Shelf(Size(64, 64, 17), 19200, 100_000_000),
            Shelf(Size(64, 64, 1), 12800, 200_000_000),
            Shelf(Size(112, 64, 17), 1280, 300_000_000),
            Shelf(Size(64, 112, 17), 1280, 400_000_000),
        ),
        weights=(0.7, 0.1, 0.05, 0.05),
        fading=2560,
        fading_weight=0.1,
        generated=Shelf(Size(64, 64, 17), 2560, 100_000_000),
        lessons=reader_shelves(),
        captioner_clips=captioner_shelves(),
        test=Shelf(Size(64, 64, 17), 128, 900_000_000, held_out=True),
        autoencoder_training=TrainingConfig(
            steps=17300,
            batch=16,
            matrix_rate=8e-3,
            rate=2e-3,
            decay=0.8,
            average=0.995,
            save_every=100,
        ),
        transformer_training=TrainingConfig(
            steps=7860, batch=64, matrix_rate=3e-3, rate=1e-3, average=0.998, save_every=200
        ),
        few_steps_training=few_steps_training(),
        decoder_training=TrainingConfig(
            steps=2900,
            batch=16,
            matrix_rate=4e-3,
            rate=1e-3,
            warmup=50,
            decay=1.0,
            average=0.99,
            save_every=50,
        ),
        reader_training=reader_training(),
        captioner_training=captioner_training(),
        learner=DiTConfig(width=128, depth=4),
        learned=Shelf(Size(64, 64, 17), 3200, 100_000_000),
        recaptioning_training=TrainingConfig(
            steps=600, batch=24, matrix_rate=5e-3, rate=2e-3, warmup=20, average=0.98, save_every=50
        ),
        text=text_recipe(),
        text_training=text_training(),
    )


def few_steps_training() -> TrainingConfig:
    """The training of a LoRA for few steps; a step costs as much as four of the transformer's."""
    return TrainingConfig(
        steps=400,
        batch=16,
        rate=1e-3,
        warmup=20,
        average=0.98,
        save_every=50,
        show_every=100,
        report_every=10,
    )


def smoke() -> Recipe:
    """A recipe that trains every part for a few seconds, as a test."""
    clips = Shelf(Size(64, 64, 17), 8, 0)
    short = TrainingConfig(steps=4, batch=4, warmup=1, save_every=2, show_every=4)
    return Recipe(
        name="smoke",
        autoencoder=AutoencoderConfig(fine_width=8, fine_depth=1, coarse_width=16, coarse_depth=1),
        transformer=DiTConfig(width=64, depth=2),
        pictures=(clips,),
        clips=(clips,),
        weights=(0.8,),
        fading=8,
        fading_weight=0.2,
        generated=clips,
        lessons=tuple(replace(shelf, clips=8) for shelf in reader_shelves()),
        captioner_clips=tuple(replace(shelf, clips=8) for shelf in captioner_shelves()),
        test=Shelf(Size(64, 64, 17), 4, 900_000_000, held_out=True),
        autoencoder_training=short,
        transformer_training=short,
        few_steps_training=short,
        decoder_training=short,
        reader_training=short,
        captioner_training=short,
        learner=DiTConfig(width=64, depth=2),
        learned=clips,
        recaptioning_training=short,
        text=smoke_text(),
        text_training=short,
    )


RECIPES = {"mini": mini_recipe, "smoke": smoke}
