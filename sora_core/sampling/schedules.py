"""Noise schedules: the sigmas a sampler visits, from 1 (noise) to 0 (clean)."""

import math
from collections.abc import Sequence
from typing import TypeVar

from torch import Tensor

from ..errors import ConfigError, check_range
from ..shapes import Grid

MAX_STEPS = 1000
MAX_SHIFT = 1000.0

Level = TypeVar("Level", float, Tensor)


def linear_sigmas(steps: int) -> list[float]:
    """`steps + 1` evenly spaced sigmas from 1 to 0; ConfigError for steps outside [1, 1000]."""
    check_range("steps", steps, 1, MAX_STEPS)
    return [1 - i / steps for i in range(steps + 1)]


def shifted_sigmas(steps: int, factor: float) -> list[float]:
    """`steps + 1` sigmas from 1 to 0; a larger `factor` spends more of them at high noise."""
    return [shift_sigma(sigma, factor) for sigma in linear_sigmas(steps)]


def shift_sigma(sigma: Level, factor: float) -> Level:
    """The sigma whose signal-to-noise ratio is `factor` squared times lower than that of `sigma`.

    Esser et al. 2024, equation 23, with numerator and denominator divided by `factor`, so that 0
    and 1 stay exact. ConfigError for a factor outside [1 / MAX_SHIFT, MAX_SHIFT].
    """
    check_range("shift", factor, 1 / MAX_SHIFT, MAX_SHIFT)
    return sigma / (sigma + (1 - sigma) / factor)


def shift_for_tokens(tokens: int, base_tokens: int = 80, base_shift: float = 1.5) -> float:
    """The shift for a clip of `tokens` that corresponds to `base_shift` at `base_tokens`.

    Averaging n tokens divides their noise by the square root of n, so a larger clip needs more
    noise to be as uncertain: Esser et al. 2024, section 5.3.2.
    """
    if tokens < 1 or base_tokens < 1:
        raise ConfigError(f"{min(tokens, base_tokens)} tokens: a clip has at least 1")
    return base_shift * math.sqrt(tokens / base_tokens)


def shift_for_cells(cells: int) -> float:
    """The shift for a clip of `cells` latent cells, at any patch size.

    It is 1.5 at 320 cells, a clip of 64x64 pixels and 17 frames.
    """
    if cells < 1:
        raise ConfigError(f"{cells} latent cells: a clip has at least 1")
    return shift_for_tokens(cells, base_tokens=320)


def clip_shift(grid: Grid) -> float:
    """The schedule shift that suits a clip of `grid`."""
    return shift_for_cells(max(4, grid.cells))


def truncate_sigmas(sigmas: Sequence[float], strength: float) -> list[float]:
    """`strength` and all lower `sigmas`, for footage that is noised to the level `strength`.

    `strength` in (0, 1]; 1 is the whole schedule. Meng et al. 2022 (SDEdit).
    """
    if not 0 < strength <= 1:
        raise ConfigError(f"strength {strength}: choose above 0 and at most 1")
    return [strength, *(sigma for sigma in sigmas if sigma < strength)]
