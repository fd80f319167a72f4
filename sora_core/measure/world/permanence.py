"""Permanence: whether a thing that was out of view comes back as the same one. Axes: t frames.

After StEvo-Bench (arXiv 2603.13215) a clip has one of several outcomes, and as in WRBench (arXiv
2606.20545) it is scored only if the thing comes into view again; the share in which it does is
a row of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from ...shapes import Frames
from .clips import Clips, Sample, calibration_readings, read_all
from .row import Row, share_row
from .shape import OUTSIDE_SHARE, centre
from .tracker import Track, hue_difference, overlap, tint_of, track

WHOLE_SHARE, GONE_SHARE = 0.6, 0.35  # of its first area: in view, and out of view
ENTIRE = 0.94  # of its largest area: no part is hidden
LEAST_PART = 0.3  # of its area: a smaller visible part has no outline to speak of
DOUBLED = 2  # frames with a second thing of its size


@dataclass(frozen=True, slots=True)
class Return:
    """The returned thing against the one that left: relative area, overlap of outlines, hue in
    degrees, and distance from its expected place in its own radii.

    `cut` is the least overlap, while a part is hidden, of the visible part with the whole outline
    cut by an upright edge: less than 1 where the thing bends at the wall."""

    area: float
    outline: float
    hue: float
    place: float
    cut: float
    doubled: bool


def returned(sample: Sample, frames: Frames) -> Return | None:
    """The first thing after its return; None if it never left the view or never came back."""
    found = track(frames, sample.tints[0])
    span = absence(found)
    if span is None:
        return None
    went, came = span
    before, after = _whole(found, range(went)), _whole(found, range(came, len(found.x)))
    if not len(before) or not len(after):
        return None
    hues = [tint_of(frames[at], found.matte[at] > 0.5).hue for at in (before, after)]
    radius = np.sqrt(np.median(found.area[before]) / np.pi)
    return Return(
        float(np.median(found.area[after]) / np.median(found.area[before])),
        _overlap_of_two(_median_outline(found, before), _median_outline(found, after)),
        hue_difference(*hues),
        _astray(found, sample, before, after) / radius,
        _cut_overlap(found, before, after) if sample.shot.kind == "hide" else 1.0,
        int((found.pieces > 1).sum()) >= DOUBLED,
    )


def absence(found: Track) -> tuple[int, int] | None:
    """The first frame without the thing, and the first with it again; None if there is none."""
    share = found.area / max(float(np.median(np.sort(found.area)[len(found.area) // 2 :])), 1e-6)
    share = np.nan_to_num(share)
    observed = np.flatnonzero(share >= WHOLE_SHARE)
    if not len(observed):
        return None
    missing = np.flatnonzero(share <= GONE_SHARE)
    missing = missing[missing > observed[0]]
    if not len(missing):
        return None
    again = observed[observed > missing[0]]
    return (int(missing[0]), int(again[0])) if len(again) else None


def sameness(usual: Sequence[Return]) -> Callable[[Return], bool]:
    """Whether a return lies within the ranges of `usual` ones, those with a single thing.

    A clip in which the tracker finds two things has no outline, and would widen every range.
    """
    single = [r for r in usual if not r.doubled]
    share = OUTSIDE_SHARE / 5
    low, high = np.quantile([r.area for r in single], [share / 2, 1 - share / 2])
    outline, cut = (np.quantile([getattr(r, f) for r in single], share) for f in ("outline", "cut"))
    hue, place = (np.quantile([getattr(r, f) for r in single], 1 - share) for f in ("hue", "place"))

    def same(r: Return) -> bool:
        fits = low <= r.area <= high and r.outline >= outline and r.cut >= cut
        return bool(fits and r.hue <= hue and r.place <= place and not r.doubled)

    return same


def rows(clips: Clips, count: int, calibration: int, kind: str, name: str) -> list[Row]:
    """`permanence/NAME`: of those that come into view again, the share that is the same thing;
    `_returns`: how many come into view again."""
    usual = calibration_readings(clips, kind, calibration, returned)
    same = sameness([r for r in usual if r is not None])
    trio = read_all(clips, clips.samples(kind, count), returned)
    sides = (trio.true, trio.limit, trio.generated)
    scored = ([same(r) for r in side if r is not None] for side in sides)
    return [
        share_row(f"permanence/{name}", *scored),
        trio.shares(f"permanence/{name}_returns", lambda found: found is not None),
    ]


def _whole(found: Track, at: range) -> ndarray:
    """Frames in which the thing is wholly in view, with no part hidden."""
    inside = np.array([t for t in at if found.inside[t]], dtype=int)
    if not len(inside):
        return inside
    return inside[found.area[inside] >= ENTIRE * found.area[inside].max()]


def _median_outline(found: Track, at: ndarray) -> Tensor:
    return centre(found.matte[at], found.x[at], found.y[at]).median(0).values > 0.5


def _overlap_of_two(one: Tensor, other: Tensor) -> float:
    return overlap(one[None], other[None])[0].item()


def _cut_overlap(found: Track, before: Float[ndarray, "n"], after: Float[ndarray, "m"]) -> float:
    """The least overlap of a visible part with the outline cut by an edge; 1 if none is hidden."""
    whole = np.concatenate([before, after])
    share = found.area / np.median(found.area[before])
    partial = np.flatnonzero((share > LEAST_PART) & (share < ENTIRE) & found.inside)
    partial = partial[(partial > before[0]) & (partial < after[-1])]
    if not len(partial):
        return 1.0
    path = [np.polyval(np.polyfit(whole, v[whole], 1), partial) for v in (found.x, found.y)]
    outline = _median_outline(found, before).float()
    parts = (centre(found.matte[partial], *path) > 0.5).float()
    return float(min(cut_overlap(part, outline) for part in parts))


def cut_overlap(part: Float[Tensor, "y x"], outline: Float[Tensor, "y x"]) -> float:
    """The overlap of `part` with the left or the right of `outline`, cut at the best column."""
    both, area = ((part * outline).sum(0).cumsum(0), outline.sum(0).cumsum(0))
    sides = ((both, area), (both[-1] - both, area[-1] - area))
    return max(float((b / (part.sum() + a - b).clamp(min=1)).max()) for b, a in sides)


def _astray(
    found: Track, sample: Sample, before: Float[ndarray, "n"], after: Float[ndarray, "m"]
) -> float:
    """Mean distance, in pixels, from the line through the places before; at its true pace if one
    frame alone is before. What leaves and comes back must do so at the side where it left."""
    if sample.shot.kind == "left":
        middle = found.matte.shape[2] / 2
        sides = [np.sign(found.x[at][i] - middle) for at, i in ((before, -1), (after, 0))]
        return 0.0 if sides[0] == sides[1] else float(found.matte.shape[2])
    if len(before) > 1:
        pace = np.polyfit(before, found.x[before], 1)[0]
    else:
        x = sample.clip.truth.screen[0, :, 0].numpy()
        pace = (x[-1] - x[0]) / (len(x) - 1)
    start = found.x[before].mean() - pace * before.mean()
    return float(np.abs(found.x[after] - start - pace * after).mean())
