"""Against drift: a denoiser whose colours and contrast stay near those of an earlier part.

Axes: b c t y x, as in shapes; p prompts.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError
from ..shapes import Latent
from .samplers import Denoise, Sigma

HALF_SIGMA = 0.5  # between noise and clean
SAME_OVERLAP = 1e-3  # prompts that differ by less count as the same: weights are sums


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and standard deviation of each channel of a latent."""

    mean: Float[Tensor, "b c 1 1 1"]
    deviation: Float[Tensor, "b c 1 1 1"]

    @classmethod
    def from_latent(cls, latent: Latent) -> "Statistics":
        over = {"dim": (2, 3, 4), "keepdim": True}
        return cls(latent.mean(**over), latent.std(**over))

    def transformed(self, affine: Callable[[Latent], Latent]) -> "Statistics":
        """Those of `affine(latent)`, which scales and shifts each channel."""
        mean = affine(self.mean)
        return Statistics(mean, affine(self.mean + self.deviation) - mean)


@dataclass(frozen=True, slots=True)
class SegmentAnchor:
    """What a part of a video was like, and how much each prompt counted in it."""

    statistics: Statistics
    prompts: Float[Tensor, " p"]


def closest_segment(
    anchors: Iterable[SegmentAnchor], prompts: Float[Tensor, " p"]
) -> tuple[Statistics | None, float]:
    """The statistics of the part that was told most of `prompts`, the first among equals, and which
    share of them it was told; a scene that changes is not held to the one before."""
    closest, most = None, 0.0
    for segment in anchors:
        overlap = float(torch.minimum(segment.prompts, prompts).sum())
        if overlap > most + SAME_OVERLAP:
            closest, most = segment.statistics, overlap
    return closest, most


class StatisticsProbe:
    """What a part would be like were it not held to another, read from its own predictions.

    Early ones are blurred, and in late ones the part has been pulled already: the one nearest to
    half noise says most.
    """

    def __init__(self) -> None:
        self.statistics: Statistics | None = None
        self.distance = math.inf

    def note(self, own: Statistics, sigma: Sigma) -> None:
        """A prediction at the noise level `sigma` is like its `own` statistics."""
        level = float(sigma.max()) if isinstance(sigma, Tensor) else sigma
        if abs(level - HALF_SIGMA) < self.distance:
            self.statistics, self.distance = own, abs(level - HALF_SIGMA)


def anchor(
    denoise: Denoise, reference: Statistics, strength: float, probe: StatisticsProbe | None = None
) -> Denoise:
    """A denoiser whose predictions go `strength` of the way to the statistics `reference`; 1 is
    all.

    `probe` is told what they were like before. Huang and Belongie 2017, equation 8 (adaptive
    instance normalisation).
    """
    if not 0 <= strength <= 1:
        raise ConfigError(f"anchor strength {strength}: choose from 0 to 1")

    def anchored(x: Latent, sigma: Sigma) -> Latent:
        clean = denoise(x, sigma)
        own = Statistics.from_latent(clean)
        if probe is not None:
            probe.note(own, sigma)
        matched = (clean - own.mean) / own.deviation * reference.deviation + reference.mean
        return clean.lerp(matched, strength)

    return anchored


pass  # dropped

PIXEL_LEVELS = 127.5  # of 255, for each unit of a video in [-1, 1]
COLOUR, CONTRAST = 3.0, 0.08  # more can be seen, in levels of 255 and as a share


@dataclass(frozen=True, slots=True)
class SegmentDrift:
    """How far part `index` lies from the first that was told the same.

    `colour` is the mean over red, green and blue, in levels of 255; `contrast` the share by which
    latents vary more or, negative, less.
    """

    index: int
    colour: float
    contrast: float

    @classmethod
    def between(
        cls, index: int, own: Statistics, like: Statistics, colours: Float[Tensor, "c 3"]
    ) -> "SegmentDrift":
        moved = (own.mean - like.mean).mean(0).flatten().cpu().to(colours) @ colours
        grown = (own.deviation / like.deviation).mean().item() - 1
        return cls(index, PIXEL_LEVELS * moved.abs().mean().item(), grown)

    @property
    def far(self) -> bool:
        return self.colour > COLOUR or abs(self.contrast) > CONTRAST


@dataclass(frozen=True, slots=True)
class DriftMonitor:
    """Notes how far each part of a chain would wander by itself, and how far it did, held to the
    first that was told the same; those between two scenes have no measure."""

    colours: Float[Tensor, "c 3"]
    free: list[SegmentDrift] = field(default_factory=list)
    held: list[SegmentDrift] = field(default_factory=list)

    @classmethod
    def from_factors(cls, factors: Sequence[Sequence[float]]) -> "DriftMonitor":
        """`factors` is how much red, green and blue each channel adds to a preview."""
        return cls(torch.tensor(factors, dtype=torch.float32))

    def note(
        self, index: int, free: Statistics, held: Statistics, like: Statistics, share: float
    ) -> None:
        """Part `index` would be as `free` says and is as `held` says; it was told that `share` of
        what the part was told that it is held to, which is `like` this."""
        if share > 1 - SAME_OVERLAP:
            self.free.append(SegmentDrift.between(index, free, like, self.colours))
            self.held.append(SegmentDrift.between(index, held, like, self.colours))

    @property
    def summary(self) -> str:
        """What the user should know; nothing where no two parts were told the same."""
        if not self.free:
            return ""
        parts = [f"Drift of the model within scenes: {_most(self.free)}; held back: "]
        parts += [f"{_most(self.held)}."]
        far, left = _far(self.free), _far(self.held)
        if far:
            parts += [f" More than {COLOUR:g} of 255 or {CONTRAST:.0%} by itself: part {far}."]
        if left:
            parts += [f" Still so: part {left}; try another seed or shorter shots."]
        return "".join(parts)


def _most(parts: Sequence[SegmentDrift]) -> str:
    colour = max(parts, key=lambda part: part.colour)
    contrast = max(parts, key=lambda part: abs(part.contrast))
    return (
        f"colour up to {colour.colour:.1f} of 255 (part {colour.index + 1}), "
        f"contrast {contrast.contrast:+.0%} (part {contrast.index + 1})"
    )


def _far(parts: Sequence[SegmentDrift]) -> str:
    """The numbers of those that have gone too far."""
    far = [part.index + 1 for part in parts if part.far]
    return ", ".join(map(str, far[:8])) + (" and more" if len(far) > 8 else "")
