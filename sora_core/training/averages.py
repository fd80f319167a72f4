"""Exponential moving averages of a model's weights with several decays, to choose from afterwards.

Karras et al. 2024 ("post-hoc EMA"), with plain exponential decays.
"""

import copy
from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)

WARMUP = 10  # steps over which an average starts as the mean of all steps so far


class Averages(Generic[Model]):
    """Averages of `model` in eval mode, one for each of `decays` (the weight of the past).

    With `share_frozen`, frozen weights of `model` are shared, not copied.
    """

    def __init__(
        self, model: Model, decays: Sequence[float], *, share_frozen: bool = False
    ) -> None:
        self.decays = tuple(decays)
        frozen = [p for p in model.parameters() if share_frozen and not p.requires_grad]
        self.models = [
            copy.deepcopy(model, {id(p): p for p in frozen}).eval().requires_grad_(False)
            for _ in decays
        ]

    @torch.no_grad()
    def update(self, model: Model, step: int) -> None:
        """Moves each average towards `model` after `step`, counted from 0."""
        for decay, average in zip(self.decays, self.models, strict=True):
            share = 1 - min(decay, (step + 1) / (step + WARMUP))
            for mean, new in zip(average.parameters(), model.parameters(), strict=True):
                if mean is not new:
                    mean.lerp_(new, share)

    @property
    def first(self) -> Model:
        """The average that is evaluated during training."""
        return self.models[0]

    @property
    def named(self) -> dict[str, Model]:
        """The averages by their prefixes in a checkpoint: `average`, then `average@DECAY`."""
        names = ["average", *(f"average@{decay:g}" for decay in self.decays[1:])]
        return dict(zip(names, self.models, strict=True))
