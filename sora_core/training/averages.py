"""Running averages of a model's weights over several lengths, the best of which is chosen after
training (Karras et al. 2024, "post-hoc EMA", with plain exponential lengths)."""

import copy
from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)

WARMUP = 10  # an average begins as that of all steps so far


class Averages(Generic[Model]):
    """Copies of `model` in eval mode, one for each of `decays`: the share of it that each step
    keeps."""

    def __init__(self, model: Model, decays: Sequence[float]) -> None:
        self.decays = tuple(decays)
        self.models = [copy.deepcopy(model).eval().requires_grad_(False) for _ in decays]

    @torch.no_grad()
    def update(self, model: Model, step: int) -> None:
        """Moves each average towards `model` as it is after `step`, counted from 0."""
        for decay, average in zip(self.decays, self.models, strict=True):
            share = 1 - min(decay, (step + 1) / (step + WARMUP))
            for mean, new in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(new, share)

    @property
    def first(self) -> Model:
        """The one that is scored while training goes on."""
        return self.models[0]

    @property
    def named(self) -> dict[str, Model]:
        """Each by its prefix in a checkpoint: `average`, then `average@` and its decay."""
        names = ["average", *(f"average@{decay:g}" for decay in self.decays[1:])]
        return dict(zip(names, self.models, strict=True))
