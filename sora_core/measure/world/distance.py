"""Distance between the local features of generated clips and those of true ones.

Axes: c filters, t frames, y rows, x columns, n cells. An unbiased polynomial MMD (Binkowski et al.
2018), as JEDi uses it in place of FVD, on fixed filters of space and time instead of a network
trained on the same clips: derivatives of grey and colour at two scales, rectified, averaged
over cells of 8 x 8 pixels and 4 frames.
"""

from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool3d

from ...shapes import Frames
from .clips import Clips
from .row import RESAMPLES, Row

LATENT_CELL = (4, 8, 8)
CELLS = 96  # of each clip, drawn with a fixed seed
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


def mmd(one: Float[Tensor, "n c"], other: Float[Tensor, "m c"]) -> float:
    """The unbiased squared distance of two sets of cells, with the kernel (x y / c + 1)^3."""
    width = one.shape[1]

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / width + 1) ** 3

    within = [k.sum() - k.diagonal().sum() for k in (kernel(one, one), kernel(other, other))]
    counts = [len(one) * (len(one) - 1), len(other) * (len(other) - 1)]
    return (within[0] / counts[0] + within[1] / counts[1] - 2 * kernel(one, other).mean()).item()


def distance(clips: Sequence[Frames], reference: Sequence[Frames]) -> float:
    """The distance of two sets of clips, in thousandths."""
    cells = torch.cat([_some(features(frames), first=True) for frames in clips])
    known = torch.cat([_some(features(frames), first=False) for frames in reference])
    mean, spread = known.mean(0), known.std(0).clamp(min=1e-3)
    return SCALE * mmd((cells - mean) / spread, (known - mean) / spread)


def rows(clips: Clips, count: int) -> list[Row]:
    """`distance`: to the true clips of the same captions, so that both sets have the same scenes.

    The true row compares other cells of the same clips. The interval is over clips."""
    samples = [s for kind in DISTANCE_KINDS for s in clips.samples(kind, count)]
    known = [s.clip.frames for s in samples]
    result = [clips.generated(s) for s in samples]
    rng = np.random.Generator(np.random.PCG64(0))
    draws = [rng.integers(len(result), size=len(result)) for _ in range(RESAMPLES // 100)]
    spread = np.std([distance([result[i] for i in d], [known[i] for i in d]) for d in draws])
    limit = distance([clips.limit(s) for s in samples], known)
    value, half = distance(result, known), 2 * float(spread)
    true = distance(known, known)
    return [Row("distance", true, limit, value, len(result), value - half, value + half)]


def _along(planes: Float[Tensor, "c t y x"], axis: int) -> Float[Tensor, "c t y x"]:
    """The difference of neighbours along an axis, in the shape of `planes`."""
    last = planes.narrow(axis, planes.shape[axis] - 1, 1)
    return torch.cat([planes.diff(dim=axis), torch.zeros_like(last)], dim=axis)


def _cells(planes: Float[Tensor, "c t y x"], scale: int) -> Float[Tensor, "c n"]:
    t, y, x = LATENT_CELL
    return avg_pool3d(planes, (t, y // scale, x // scale)).flatten(1)


def _some(cells: Float[Tensor, "n c"], first: bool) -> Float[Tensor, "m c"]:
    order = torch.randperm(len(cells), generator=torch.Generator().manual_seed(0))
    count = min(CELLS, len(cells) // 2)
    return cells[order[:count] if first else order[-count:]]
