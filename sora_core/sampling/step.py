"""What a sampler sees of a model, and what it tells of its progress."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ..shapes import Latent

Sigma = float | Float[Tensor, "#b 1 #t #y #x"]
"""Noise level from 1 (noise) to 0 (clean): a number, or a tensor that broadcasts to the latent."""

Denoise = Callable[[Latent, Sigma], Latent]
"""The clean latent predicted from `x = (1 - sigma) * clean + sigma * noise`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a sampler: `index` of `total`, from 0, and the clean latent it predicts."""

    index: int
    total: int
    clean: Latent
