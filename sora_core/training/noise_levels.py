"""The distribution of noise levels in training. Axes: b batch."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from ..errors import ConfigError
from ..sampling.schedules import shift_for_cells, shift_sigma


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseLevels:
    """A mixture of distributions of sigma in [0, 1].

    A logit-normal (Esser et al. 2024) with `mean` and `spread`, and for a share `uniform` of clips
    a uniform level, both shifted for the size of the clip. A share `low` of clips has a uniform
    level below `low_end`, where the layout is fixed and outlines form. ConfigError for
    shares and ranges that do not fit.
    """

    mean: float = 0.0
    spread: float = 1.0
    uniform: float = 0.1
    low: float = 0.0
    low_end: float = 0.5

    def __post_init__(self) -> None:
        if min(self.uniform, self.low) < 0 or self.uniform + self.low > 1:
            raise ConfigError(
                f"shares {self.uniform} (uniform) and {self.low} (low) of noise levels: each must "
                "be at least 0, and both together at most 1"
            )
        if not (self.spread > 0 and 0 < self.low_end <= 1):
            raise ConfigError(
                f"spread {self.spread}, low_end {self.low_end}: must be above 0, low_end at most 1"
            )

    def draw(self, count: int, cells: int, generator: Generator) -> Float[Tensor, " b"]:
        """The levels of `count` clips of `cells` latent cells each, in [0, 1]."""
        normal = torch.randn(count, generator=generator)
        even, kind = torch.rand(2, count, generator=generator)
        level = torch.sigmoid(self.mean + self.spread * normal)
        level = torch.where(kind < self.uniform, even, level)
        level = shift_sigma(level, shift_for_cells(cells))
        return torch.where(kind > 1 - self.low, self.low_end * even, level)
