"""Seams with and without the loss of steps from frame to frame: rows of `docs/seams.md`.

`python -m tools.step_loss` continues the training of the released transformer twice, from the same
weights, on the same clips with the same noise and masks, for equally many steps: only
`Mix.step_weight` differs. Prints the rows of `tools.seam_ablation` for both results, with all other
mechanisms on and off. A finished training is not repeated.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from sora_core.checkpoints.checkpoint import (
    load_autoencoder,
    load_transformer,
    read_config,
    write_checkpoint,
)
from sora_core.cli.train import print_shard, print_training
from sora_core.models.autoencoder import Autoencoder
from sora_core.models.dit import DiT, DiTConfig
from sora_core.pipeline.generate import load
from sora_core.training.decoder import with_one_decoder
from sora_core.training.distributed import Ranks
from sora_core.training.experiment import TRANSFORMER_NAME, prepare
from sora_core.training.experiments import TransformerRun
from sora_core.training.few_step_runs import empty_text
from sora_core.training.latent_dataset import LatentShard, read_latents
from sora_core.training.recipes import Recipe, mini_recipe
from sora_core.training.town_runs import RELEASED
from sora_core.training.trainer import TrainingConfig, train
from sora_core.training.transformer import Mix, TransformerModule, TransformerTask
from tools.seam_ablation import Variant, heldout_jobs, own_variants, print_table

CLIPS, FADING, FADING_WEIGHT = 1024, 512, 0.15
WEIGHTS = {"with the loss of steps": 1.0, "without the loss of steps": 0.0}
"""`Mix.step_weight` of each training."""


class UnwatchedTask(TransformerTask):
    """Task without a picture and held-out losses at the end: the seams are what is measured."""

    def show(self, average: TransformerModule, step: int, folder: Path) -> Mapping[str, float]:
        return {}


@dataclass(frozen=True, kw_only=True, slots=True)
class StepLossRun(TransformerRun):
    """Continues the training of the released transformer with another weight of the steps' loss."""

    step_weight: float

    @property
    def target(self) -> Path:
        """The model file that the run writes at its end."""
        return self.folder(f"weight-{self.step_weight:g}") / "transformer.safetensors"

    def trained_autoencoder(self) -> Autoencoder:
        return with_one_decoder(load_autoencoder(RELEASED, read_config(RELEASED)))

    def learn(
        self,
        model: DiTConfig,
        mix: Mix,
        config: TrainingConfig,
        folder: Path,
        ranks: Ranks,
        fading: Sequence[LatentShard] = (),
    ) -> None:
        """Trains the released transformer further; writes the average of its weights to `target`.

        A stopped run resumes; `folder` is not used.
        """
        torch.manual_seed(config.seed)
        sizes = [read_latents(self.latent_shards(shelf)) for shelf in self.needed]
        autoencoder, mix = self.trained_autoencoder(), replace(mix, step_weight=self.step_weight)
        task = UnwatchedTask(
            self.begun(model),
            autoencoder,
            [*sizes, *fading],
            sizes[0],
            (),
            empty_text(),
            mix,
            config.batch,
            config.seed,
        )
        average = train(
            task, config, self.target.parent, ranks, resume=True, on_progress=self.on_progress
        )
        write_checkpoint(self.target, average.dit, autoencoder, name=self.recipe.name)


def short_recipe(steps: int) -> Recipe:
    """The recipe `mini` with fewer clips, all of 64x64 pixels, and rates for trained weights."""
    recipe = mini_recipe()
    return replace(
        recipe,
        name="step-loss",
        clips=(replace(recipe.clips[0], clips=CLIPS),),
        weights=(1 - FADING_WEIGHT,),
        fading=FADING,
        fading_weight=FADING_WEIGHT,
        transformer_training=TrainingConfig(
            steps=steps,
            batch=16,
            matrix_rate=1.5e-3,
            rate=5e-4,
            warmup=20,
            decay=0.5,
            average=0.98,
            save_every=20,
        ),
    )


def continued(root: Path, steps: int, weight: float) -> DiT:
    """The transformer after its training with `weight`, which is run if it was not before."""
    run = StepLossRun(
        recipe=short_recipe(steps),
        root=root,
        resume=True,
        on_progress=partial(print_training, TRANSFORMER_NAME),
        start=RELEASED,
        step_weight=weight,
    )
    if not run.target.exists():
        prepare(run, 1, print_shard)
        run(Ranks())
    return load_transformer(run.target, read_config(run.target))


def variants(root: Path, steps: int, clips: int, sampler_steps: int) -> Iterator[Variant]:
    """The rows of both trainings, with all mechanisms of sampling and decoding and none."""
    released, jobs = load(), heldout_jobs(clips)
    for name, weight in WEIGHTS.items():
        pipeline = replace(released, transformer=continued(root, steps, weight))
        for row, sample, off in own_variants(pipeline, jobs, sampler_steps):
            if row in ("all on", "all off"):
                yield f"{name}, {row}", sample, off


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options: `train_steps` of each training, `steps` of each sampling."""
    parser = argparse.ArgumentParser(prog="python -m tools.step_loss", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("runs/step-loss"))
    parser.add_argument("--train-steps", type=int, default=300)
    parser.add_argument("--clips", type=int, default=10)
    parser.add_argument("--steps", type=int, default=12, help="of the sampler")
    return parser.parse_args(arguments)


def main() -> int:
    options = parse()
    torch.set_num_threads(1)
    rows = variants(options.root, options.train_steps, options.clips, options.steps)
    print_table(load(), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
