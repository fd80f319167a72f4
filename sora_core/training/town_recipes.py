"""The recipes of the model of the toy town: sizes, clips and training lengths."""

from dataclasses import dataclass

from ..models.dit import METRIC, DiTConfig
from ..shapes import Size
from .mixed_task import MixedLearning
from .noise_levels import NoiseLevels
from .recipes import few_steps_training
from .town_clips import TownShelf
from .trainer import TrainingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class TownRecipe:
    """`weights` are the shares of training steps for each shelf of `clips`."""

    name: str
    transformer: DiTConfig
    pictures: tuple[TownShelf, ...]  # for the autoencoder
    validation: TownShelf  # for the evaluation of the autoencoder
    shelves: tuple[TownShelf, ...]
    weights: tuple[float, ...]
    test: TownShelf
    learning: MixedLearning
    weigh_by_decoder: bool  # whether errors are weighted by their effect on decoded pixels
    window: int  # latent frames of one model call in sampling
    autoencoder_training: TrainingConfig
    transformer_training: TrainingConfig
    few_steps_training: TrainingConfig


SHELVES = (
    (Size(64, 64, 17), 0.30, 24000),
    (Size(64, 64, 33), 0.12, 6400),
    (Size(64, 64, 65), 0.05, 2560),
    (Size(64, 64, 1), 0.06, 12800),
    (Size(64, 64, 9), 0.04, 3200),
    (Size(112, 64, 17), 0.08, 5120),
    (Size(64, 112, 17), 0.07, 5120),
    (Size(80, 64, 17), 0.04, 2560),
    (Size(64, 80, 17), 0.04, 2560),
    (Size(112, 64, 33), 0.03, 1280),
    (Size(96, 96, 17), 0.10, 6400),
    (Size(96, 96, 33), 0.02, 1280),
    (Size(96, 96, 1), 0.03, 5120),
    (Size(128, 128, 9), 0.02, 1280),
)
"""Size, share of the steps, clips. Sides are whole numbers of 16 pixels: 112x64 stands for 16:9."""


def wide() -> TownRecipe:
    """The recipe of the model of the toy town: about a day on two cores."""
    return TownRecipe(
        name="sora-mini-2",
        transformer=DiTConfig(width=256, depth=10, positions=METRIC),
        pictures=(
            TownShelf(Size(64, 64, 17), 1536, 10_000_000),
            TownShelf(Size(96, 96, 17), 512, 11_000_000),
            TownShelf(Size(112, 64, 17), 192, 12_000_000),
            TownShelf(Size(64, 112, 17), 192, 13_000_000),
            TownShelf(Size(128, 128, 17), 192, 14_000_000),
        ),
        validation=TownShelf(Size(96, 96, 17), 64, 900_000_000, held_out=True),
        shelves=tuple(
            TownShelf(size, clips, 100_000_000 + 10_000_000 * i)
            for i, (size, _, clips) in enumerate(SHELVES)
        ),
        weights=tuple(share for _, share, _ in SHELVES),
        test=TownShelf(Size(64, 64, 17), 64, 910_000_000, held_out=True),
        learning=MixedLearning(),
        weigh_by_decoder=False,
        window=9,
        autoencoder_training=TrainingConfig(
            steps=6000,
            batch=16,
            matrix_rate=4e-3,
            rate=1e-3,
            warmup=30,
            decay=0.7,
            average=0.99,
            save_every=50,
            show_every=500,
        ),
        transformer_training=TrainingConfig(
            steps=16000,
            batch=64,
            matrix_rate=3e-3,
            rate=1e-3,
            warmup=200,
            average=0.998,
            longer=(0.9995, 0.995),
            save_every=100,
            show_every=500,
        ),
        few_steps_training=few_steps_training(),
    )


def wide_smoke() -> TownRecipe:
    """A recipe that trains every part for a few seconds, as a test."""
    small, wide_, still = Size(32, 32, 17), Size(48, 32, 9), Size(32, 32, 1)
    short = TrainingConfig(steps=4, batch=4, warmup=1, save_every=2, show_every=4)
    clips = tuple(TownShelf(s, 6, 1000 * i) for i, s in enumerate((small, wide_, still)))
    return TownRecipe(
        name="wide-smoke",
        transformer=DiTConfig(width=256, depth=9, positions=METRIC),
        pictures=(TownShelf(Size(64, 64, 5), 6, 5000),),
        validation=TownShelf(Size(64, 64, 5), 2, 9000, held_out=True),
        shelves=clips,
        weights=(0.6, 0.2, 0.2),
        test=TownShelf(small, 4, 9100, held_out=True),
        learning=MixedLearning(two_levels=0.3, levels=NoiseLevels(low=0.2), moving_weight=1.0),
        weigh_by_decoder=True,
        window=5,
        autoencoder_training=short,
        transformer_training=short,
        few_steps_training=short,
    )


TOWN_RECIPES = {"wide": wide, "wide-smoke": wide_smoke}
