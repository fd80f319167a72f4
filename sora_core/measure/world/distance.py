"""Distance of generated clips from true ones, and diversity of those of one prompt.

Axes: c filters, t frames, y rows, x columns, n cells. An unbiased polynomial MMD (Binkowski et al.
2018) of local features, as JEDi uses it in place of FVD, on fixed filters of space and time instead
of a network trained on the same clips: derivatives of grey and colour at two scales, rectified,
averaged over cells of 8 x 8 pixels and 4 frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool3d

from ...shapes import Frames
from .clips import CALIBRATION_SCENE, Clips, exact_canvas
from .row import Row, bootstrap

Cells = Float[Tensor, "n c"]
"""The features of the cells of one clip."""

LATENT_CELL = (4, 8, 8)
SCALE = 1000  # the distance is small; this is its unit
FAINT = 0.02  # five levels of 255: fainter texture is coding noise, which true clips do not have
DISTANCE_KINDS = ("bounce", "fall", "roll", "orbit", "still")


def features(frames: Frames) -> Float[Tensor, "n c"]:
    """Log responses of each filter in each cell of a clip of 5 frames or more."""
    red, green, blue = frames.float().div(255).unbind(-1)
    planes = torch.stack([(red + green + blue) / 3, red - green, (red + green) / 2 - blue])
    answers = []
    for scale in (1, 2):
        scaled = avg_pool3d(planes, (1, scale, scale)) if scale > 1 else planes
        x, y = _along(scaled, 3), _along(scaled, 2)
        t = _along(scaled, 1)
        found = [x, y, _along(x, 3), _along(y, 2), _along(x, 2), t, _along(x, 1), _along(y, 1)]
        answers += [_cells(part.abs(), scale) for part in found]
    means = _cells(planes, 1)
    found = rearrange(torch.cat(answers), "c n -> n c").add(FAINT).log()
    return torch.cat([found, means.T], dim=1)


@dataclass(frozen=True, slots=True)
class PairedKernel:
    """The mean kernel of the cells of each pair of clips: within two sets, and across.

    Clip i of one set and clip i of the other have the same scene, so such pairs do not count.
    """

    one: Float[Tensor, "k k"]
    other: Float[Tensor, "k k"]
    across: Float[Tensor, "k k"]

    def mmd(self, left_out: int | None = None) -> float:
        """The unbiased squared distance of both sets, in thousandths (Gretton et al. 2012, lemma
        6); without the clips number `left_out`, if any."""
        some = [i for i in range(len(self.across)) if i != left_out]
        pairs = (self.one + self.other - self.across - self.across.T)[some][:, some]
        return SCALE * float((pairs.sum() - pairs.trace()) / (len(some) * (len(some) - 1)))

    @property
    def error(self) -> float:
        """The standard error of `mmd`, by the jackknife over clips; nan for fewer than three."""
        n = len(self.across)
        if n < 3:
            return float("nan")
        values = np.array([self.mmd(i) for i in range(n)])
        return float(np.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum()))


def paired_kernel(one: Float[Tensor, "k n c"], other: Float[Tensor, "k n c"]) -> PairedKernel:
    """The kernel (x y / c + 1)^3 of the cells of two sets of the same scenes, averaged by clip."""
    width = one.shape[2]

    def means(a: Tensor, b: Tensor) -> Float[Tensor, "k k"]:
        rows = []
        for clip in a:
            k = clip @ b.flatten(0, 1).T / width + 1
            rows.append((k * k * k).mean(0).view(len(b), -1).double().mean(1))
        return torch.stack(rows)

    return PairedKernel(means(one, one), means(other, other), means(one, other))


def compared(clips: Sequence[Cells], reference: Sequence[Cells]) -> PairedKernel:
    """The kernel of clips and their reference, in units of the spread of the reference's cells."""
    cells, known = torch.stack(list(clips)), torch.stack(list(reference))
    mean, spread = known.mean((0, 1)), known.flatten(0, 1).std(0).clamp(min=1e-3)
    return paired_kernel((cells - mean) / spread, (known - mean) / spread)


def distance(clips: Sequence[Frames], reference: Sequence[Frames]) -> float:
    """The distance of clips from the true ones of the same scenes, in thousandths."""
    return compared([features(f) for f in clips], [features(f) for f in reference]).mmd()


def distance_rows(clips: Clips, count: int) -> list[Row]:
    """`distance`: to true clips of the same captions through the autoencoder, so that both sets
    have the same scenes and the same decoder.

    `limit` is the distance of other scenes of the same kinds, `true` that of clips as rendered:
    what the autoencoder loses. The interval is two standard errors."""
    samples, others = (
        [s for kind in DISTANCE_KINDS for s in clips.samples(kind, count, first)]
        for first in (0, CALIBRATION_SCENE)
    )
    known = [features(clips.limit(s)) for s in samples]
    true = compared([features(s.clip.frames) for s in samples], known).mmd()
    limit = compared([features(clips.limit(s)) for s in others], known).mmd()
    result = compared([features(clips.generated(s)) for s in samples], known)
    value, half = result.mmd(), 2 * result.error
    return [Row("distance", true, limit, value, len(samples), value - half, value + half)]


def _along(planes: Float[Tensor, "c t y x"], axis: int) -> Float[Tensor, "c t y x"]:
    """The difference of neighbours along an axis, in the shape of `planes`."""
    last = planes.narrow(axis, planes.shape[axis] - 1, 1)
    return torch.cat([planes.diff(dim=axis), torch.zeros_like(last)], dim=axis)


def _cells(planes: Float[Tensor, "c t y x"], scale: int) -> Float[Tensor, "c n"]:
    t, y, x = LATENT_CELL
    return avg_pool3d(planes, (t, y // scale, x // scale)).flatten(1)


def spread(clips: Sequence[Frames]) -> list[float]:
    """For each clip, its mean rms distance to the others, in pixels pooled to 16 x 16."""
    pooled = torch.stack([adaptive_avg_pool2d(f.float().movedim(-1, 1), 16) for f in clips])
    apart = (pooled[:, None] - pooled[None]).square().flatten(2).mean(2).sqrt()
    return (apart.sum(1) / (len(clips) - 1)).tolist()


def diversity_rows(clips: Clips, count: int) -> list[Row]:
    """`diversity`: the spread of `count` clips of one prompt as a share of that of true scenes."""
    samples = clips.samples("same", count)
    usual = sum(spread([s.clip.frames for s in samples])) / len(samples)
    limit = sum(spread([clips.limit(s) for s in samples])) / len(samples) / usual
    prompt = samples[0].caption
    result = [
        clips.generate(prompt, exact_canvas(s.shot.size, s.shot.fps), s.shot.number)
        for s in samples
    ]
    shares = [value / usual for value in spread(result)]
    return [
        Row("diversity", 1.0, limit, sum(shares) / len(shares), len(result), *bootstrap(shares))
    ]
