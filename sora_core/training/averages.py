"""Moving averages of a model's weights: exponential ones, and two from which any other follows.

Tracks are averages with weights that grow with a power of the step. From a few snapshots of two of
them, `own.post_hoc` computes averages of other lengths after the run (Karras et al. 2024, "post-hoc
EMA").
"""

import copy
from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)

WARMUP = 10  # steps over which an average starts as the mean of all steps so far
TRACK = "track@"
TRACK_POWERS = (16.97, 6.94)  # relative lengths of 0.05 and 0.1, as in Karras et al. 2024


class Averages(Generic[Model]):
    """Averages of `model` in eval mode, one for each of `decays` (the weight of the past).

    With `share_frozen`, frozen weights of `model` are shared, not copied. With `tracked`, `tracks`
    has an average for each of TRACK_POWERS.
    """

    def __init__(
        self,
        model: Model,
        decays: Sequence[float],
        *,
        share_frozen: bool = False,
        tracked: bool = False,
    ) -> None:
        self.decays = tuple(decays)
        frozen = [p for p in model.parameters() if share_frozen and not p.requires_grad]

        def copied() -> Model:
            shared = {id(p): p for p in frozen}
            return copy.deepcopy(model, shared).eval().requires_grad_(False)

        self.models = [copied() for _ in decays]
        self.tracks = {power: copied() for power in TRACK_POWERS if tracked}

    @torch.no_grad()
    def update(self, model: Model, step: int) -> None:
        """Moves each average towards `model` after `step`, counted from 0."""
        for decay, average in zip(self.decays, self.models, strict=True):
            move_towards(average, model, 1 - min(decay, (step + 1) / (step + WARMUP)))
        for power, track in self.tracks.items():
            move_towards(track, model, 1 - (step / (step + 1)) ** (power + 1))

    @property
    def first(self) -> Model:
        """The average that is evaluated during training."""
        return self.models[0]

    @property
    def named(self) -> dict[str, Model]:
        """The averages by their prefixes in a checkpoint.

        `average`, then `average@DECAY`, then `track@POWER`.
        """
        names = ["average", *(f"average@{decay:g}" for decay in self.decays[1:])]
        tracks = {f"{TRACK}{power:g}": track for power, track in self.tracks.items()}
        return dict(zip(names, self.models, strict=True)) | tracks


def move_towards(average: nn.Module, model: nn.Module, share: float) -> None:
    """Moves the weights of `average` by `share` of their distance to those of `model`, in place."""
    for mean, new in zip(average.parameters(), model.parameters(), strict=True):
        if mean is not new:
            mean.lerp_(new, share)
