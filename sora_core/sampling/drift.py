"""Drift of colours and contrast from segment to segment, measured by channel statistics.

`DriftMonitor` compares each segment, with and without anchoring (`seams/anchoring.py`), to an
earlier one with the same prompts, and writes the summary for the user.

Axes: b c t y x, as in shapes; p prompts.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ..shapes import Latent
from .samplers import Sigma

HALF_SIGMA = 0.5  # between noise and clean
SAME_OVERLAP = 1e-3  # overlaps that differ by less are equal: the weights are sums of floats


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and standard deviation of each channel of a latent, and the covariance of channels."""

    mean: Float[Tensor, "b c 1 1 1"]
    deviation: Float[Tensor, "b c 1 1 1"]
    covariance: Float[Tensor, "b c c"]

    @classmethod
    def from_latent(cls, latent: Latent) -> "Statistics":
        """The statistics of `latent` over all its frames, rows and columns.

        The covariance is a float32 at least: its sums do not fit into a float16.
        """
        axes = {"dim": (2, 3, 4), "keepdim": True}
        mean, deviation = latent.mean(**axes), latent.std(**axes)
        precise = torch.promote_types(latent.dtype, torch.float32)
        cells = (latent - mean).flatten(2).to(precise)
        return cls(mean, deviation, cells @ cells.mT / cells.shape[2])

    def on_cpu(self) -> "Statistics":
        """The same statistics in main memory."""
        return Statistics(self.mean.cpu(), self.deviation.cpu(), self.covariance.cpu())

    def transformed(self, affine: Callable[[Latent], Latent]) -> "Statistics":
        """The statistics of `affine(latent)`, where `affine` scales and shifts each channel."""
        mean = affine(self.mean)
        scale = (affine(self.mean + 1) - mean).flatten(1)
        covariance = scale[:, :, None] * self.covariance * scale[:, None, :]
        return Statistics(mean, affine(self.mean + self.deviation) - mean, covariance)


@dataclass(frozen=True, slots=True)
class SegmentAnchor:
    """The statistics of a finished segment, and the mean weight of each prompt over its frames."""

    statistics: Statistics
    prompts: Float[Tensor, " p"]


def closest_segment(
    anchors: Iterable[SegmentAnchor], prompts: Float[Tensor, " p"]
) -> tuple[Statistics | None, float]:
    """The statistics of the earlier segment whose prompts overlap `prompts` most, and the overlap.

    The overlap lies in [0, 1]: the sum over prompts of the smaller weight. The first of equals
    wins. Without any overlap the result is (None, 0): a new scene has no reference.
    """
    closest, most = None, 0.0
    for segment in anchors:
        overlap = float(torch.minimum(segment.prompts, prompts).sum())
        if overlap > most + SAME_OVERLAP:
            closest, most = segment.statistics, overlap
    return closest, most


class StatisticsProbe:
    """Estimates the statistics that a segment would have without anchoring.

    It takes the prediction whose noise level is nearest to 0.5, before it is anchored: earlier
    predictions are blurred, and later ones already follow the anchored latent.
    """

    def __init__(self) -> None:
        self.statistics: Statistics | None = None
        self.distance = math.inf

    def note(self, own: Statistics, sigma: Sigma) -> None:
        """Records the `own` statistics of a prediction at the noise level `sigma`."""
        level = float(sigma.max()) if isinstance(sigma, Tensor) else sigma
        if abs(level - HALF_SIGMA) < self.distance:
            self.statistics, self.distance = own, abs(level - HALF_SIGMA)


PIXEL_LEVELS = 127.5  # levels of 255 for each unit of a video in [-1, 1]
COLOUR, CONTRAST = 3.0, 0.08  # visible above these: levels of 255, and a relative change


@dataclass(frozen=True, slots=True)
class SegmentDrift:
    """The distance of segment `index` (from 0) to its reference segment.

    `colour` is the mean change of red, green and blue, in levels of 255. `contrast` is the relative
    change of the latent's standard deviation, positive where it grew.
    """

    index: int
    colour: float
    contrast: float

    @classmethod
    def between(
        cls, index: int, own: Statistics, reference: Statistics, colours: Float[Tensor, "c 3"]
    ) -> "SegmentDrift":
        """The drift of `own` against `reference`; `colours` maps channels to red, green, blue."""
        own, reference = own.on_cpu(), reference.on_cpu()
        shift = (own.mean - reference.mean).mean(0).flatten().to(colours) @ colours
        growth = (own.deviation / reference.deviation).mean().item() - 1
        return cls(index, PIXEL_LEVELS * shift.abs().mean().item(), growth)

    @property
    def far(self) -> bool:
        """Whether a viewer can notice it."""
        return self.colour > COLOUR or abs(self.contrast) > CONTRAST


@dataclass(frozen=True, slots=True)
class DriftMonitor:
    """Collects the drift of each segment without anchoring (`free`) and with it (`held`).

    Segments whose prompts differ from those of their reference are left out: there a change of
    colours is wanted.
    """

    colours: Float[Tensor, "c 3"]
    free: list[SegmentDrift] = field(default_factory=list)
    held: list[SegmentDrift] = field(default_factory=list)

    @classmethod
    def from_factors(cls, factors: Sequence[Sequence[float]]) -> "DriftMonitor":
        """A monitor with `factors`: how much red, green and blue each latent channel adds."""
        return cls(torch.tensor(factors, dtype=torch.float32))

    def note(
        self, index: int, free: Statistics, held: Statistics, reference: Statistics, overlap: float
    ) -> None:
        """Records segment `index`: statistics without and with anchoring, and the reference.

        `overlap` in [0, 1] is how much of its prompts it shares with the reference segment.
        """
        if overlap > 1 - SAME_OVERLAP:
            self.free.append(SegmentDrift.between(index, free, reference, self.colours))
            self.held.append(SegmentDrift.between(index, held, reference, self.colours))

    @property
    def summary(self) -> str:
        """A report for the user; empty where no two segments share their prompts."""
        if not self.free:
            return ""
        sentences = [f"Drift within scenes, not anchored: {_largest(self.free)}; anchored: "]
        sentences += [f"{_largest(self.held)}."]
        far, remaining = _far(self.free), _far(self.held)
        limit = f"{COLOUR:g} of 255 or {CONTRAST:.0%}"
        if far:
            sentences += [f" More than {limit} without anchoring: segment {far}."]
        if remaining:
            sentences += [f" Also with it: segment {remaining}; try another seed or shorter shots."]
        return "".join(sentences)


def _largest(drifts: Sequence[SegmentDrift]) -> str:
    colour = max(drifts, key=lambda drift: drift.colour)
    contrast = max(drifts, key=lambda drift: abs(drift.contrast))
    return (
        f"colour up to {colour.colour:.1f} of 255 (segment {colour.index + 1}), "
        f"contrast {contrast.contrast:+.0%} (segment {contrast.index + 1})"
    )


def _far(drifts: Sequence[SegmentDrift]) -> str:
    """The numbers, from 1, of the segments with visible drift; at most eight."""
    far = [drift.index + 1 for drift in drifts if drift.far]
    return ", ".join(map(str, far[:8])) + (" and more" if len(far) > 8 else "")
