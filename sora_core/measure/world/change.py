"""Change: an event that alters the world happens, and its result stays to the end.

Axes: t frames, y rows, x columns. A stroke on the floor, a sky that turns dark or light, a thing
that was pushed. After the "state" tasks of StEvo-Bench (arXiv 2603.13215): the result must not
fade, revert or jump back.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from ...shapes import Frames
from ...video.flow import GREY
from ...world.town.raycast import MARK
from .clips import Clips, Sample, read_all
from .row import Row
from .tracker import matte_of, tint_of, track

ENOUGH_CHANGE = 0.5  # of the true change
STAYS = 0.8  # of the largest change must remain at the end
END_SHARE = 0.15  # of the frames, at either end


def stroke_stays(sample: Sample, frames: Frames) -> bool:
    """Whether at least half of the true stroke is drawn, and four fifths of that remain at the end.

    The roller may have its colour, so the growth of the colour's area counts.
    """
    mark = sample.clip.segments == MARK
    if not mark.any():
        return False
    tint = tint_of(sample.clip.frames, mark)
    true, found = (
        _growth(matte_of(f, tint).sum((1, 2)).numpy()) for f in (sample.clip.frames, frames)
    )
    return bool(found.max() >= ENOUGH_CHANGE * true.max() and found[-1] >= STAYS * found.max())


def light_stays(sample: Sample, frames: Frames) -> bool:
    """Whether the clip begins in the first light, ends in the second, and does not turn back."""
    true, found = _brightness(sample.clip.frames), _brightness(frames)
    begins, ends = _ends(true)
    first, last = _ends(found)
    turned = abs(first - begins) < abs(first - ends) and abs(last - ends) < abs(last - begins)
    variant = np.sign(ends - begins) * (found - first)
    return bool(turned and _ends(variant)[1] >= STAYS * variant.max())


def push_stays(sample: Sample, frames: Frames) -> bool:
    """Whether the pushed thing moves at least half its true distance, and stays there."""
    true, found = (track(f, sample.tints[1]) for f in (sample.clip.frames, frames))
    if found.found.mean() < STAYS:
        return False
    x = found.x[found.found]
    rest = np.median(true.x[: max(2, len(true.x) // 5)])
    variant = np.sign(true.x[-1] - rest)
    moved = variant * (x - np.median(x[:2]))
    needed = ENOUGH_CHANGE * abs(true.x[-1] - rest)
    return bool(moved[-1] >= needed and moved[-1] >= STAYS * moved.max())


READS: Mapping[str, Callable[[Sample, Frames], bool]] = {
    "stroke": stroke_stays,
    "light": light_stays,
    "push": push_stays,
}


def rows(clips: Clips, count: int, kinds: Sequence[str] = tuple(READS)) -> list[Row]:
    """`change/{stroke,light,push}`: the share of clips in which the change happens and stays."""
    trios = {kind: read_all(clips, clips.samples(kind, count), READS[kind]) for kind in kinds}
    return [trio.shares(f"change/{kind}") for kind, trio in trios.items()]


def _growth(area: Float[ndarray, "t"]) -> Float[ndarray, "t"]:
    return area.astype(float) - float(area[:2].mean())


def _brightness(frames: Frames) -> Float[ndarray, "t"]:
    return (frames.float() @ torch.tensor(GREY)).mean((1, 2)).numpy()


def _ends(values: Float[ndarray, "t"]) -> tuple[float, float]:
    count = max(1, round(END_SHARE * len(values)))
    return float(values[:count].mean()), float(values[-count:].mean())
