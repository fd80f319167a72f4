"""Things over time from the answers of the scene reader. Axes: t frames, y rows, x columns.

Peaks of the heat map are linked from frame to frame by place, kind and colour. A track that is out
of view for a while continues where a similar thing comes into view.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch.nn.functional import max_pool2d

from ...models.scene_reader import HEAT_STRIDE, SceneLogits, SceneReader
from ...shapes import Frames
from ...video.frames import video_from_frames

SURE = 0.35  # least certainty of a peak
FARTHEST_STEP = 1.5  # widths that a thing can move from one frame to the next
LEAST_SHARE = 0.15  # of the frames: a thing in fewer is noise


@dataclass(frozen=True, slots=True)
class Peak:
    """One thing in one frame; places and half extents are in pixels."""

    x: float
    y: float
    wide: float
    tall: float
    spins: bool
    fallen: bool
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Observed:
    """One thing: its likeliest words, and its place in each frame (nan where it is not found)."""

    words: Mapping[str, str]
    x: Float[ndarray, "t"]
    y: Float[ndarray, "t"]
    wide: Float[ndarray, "t"]
    tall: Float[ndarray, "t"]
    spins: Float[ndarray, "t"]
    fallen: Float[ndarray, "t"]

    @property
    def visible(self) -> ndarray:
        return ~np.isnan(self.x)


@dataclass(frozen=True, slots=True)
class Scenery:
    """All things and the setting observed in a clip of `width` by `height` pixels."""

    things: tuple[Observed, ...]
    floors: tuple[str, ...]
    skies: tuple[str, ...]
    camera: str
    cuts: tuple[int, ...]
    strokes: Mapping[str, Float[ndarray, "t"]]  # colour to the share of the frame it covers
    width: int
    height: int


@torch.inference_mode()
def observe(reader: SceneReader, frames: Frames) -> Scenery:
    """The things and the setting that `reader` finds in a clip whose sides are multiples of 16."""
    height, width = frames.shape[1:3]
    observed = reader(video_from_frames(frames)[None].float())
    words = reader.words
    by_frame = [peaks_of(observed, t, words) for t in range(len(frames))]
    settings = {
        name: tuple(words[name][int(i)] for i in logits[0].argmax(-1))
        for name, logits in observed.frame.items()
    }
    cuts = [t for t in range(1, len(frames)) if observed.cut[0, t] > 0]
    marks = observed.stroke[0].argmax(1)
    strokes = {
        colour: (marks == i + 1).float().mean((1, 2)).numpy()
        for i, colour in enumerate(words["colour"])
        if (marks == i + 1).any()
    }
    camera = words["camera"][int(observed.clip["camera"][0].argmax())]
    things = tuple(linked(by_frame, cuts))
    return Scenery(
        things, settings["floor"], settings["sky"], camera, tuple(cuts), strokes, width, height
    )


def peaks_of(observed: SceneLogits, t: int, words: Mapping[str, Sequence[str]]) -> list[Peak]:
    """The things of frame `t`: cells whose heat exceeds that of their neighbours."""
    heat = observed.heat[0, t].sigmoid()
    top = (heat == max_pool2d(heat[None, None], 3, 1, 1)[0, 0]) & (heat > SURE)
    found = []
    for row, column in torch.nonzero(top).tolist():
        offset = observed.offset[0, t, :, row, column]
        wide, tall = observed.box[0, t, :, row, column].tolist()
        text = {
            name: words[name][int(logits[0, t, :, row, column].argmax())]
            for name, logits in observed.thing.items()
        }
        x = HEAT_STRIDE * (column + 0.5 + offset[0].item())
        y = HEAT_STRIDE * (row + 0.5 + offset[1].item())
        spins = observed.spins[0, t, row, column].item() > 0
        fallen = observed.fallen[0, t, row, column].item() > 0
        found.append(Peak(x, y, wide, tall, spins, fallen, text))
    return found


def linked(by_frame: Sequence[Sequence[Peak]], cuts: Sequence[int] = ()) -> list[Observed]:
    """The things of a clip, in the order of their first frame, noise left out."""
    chains: list[dict[int, Peak]] = []
    for t, peaks in enumerate(by_frame):
        free = list(peaks)
        open_chains = sorted(chains, key=lambda chain: -max(chain))
        for chain in open_chains:
            last = max(chain)
            if last == t or not free:
                continue
            crossed = any(last < cut <= t for cut in cuts)
            best = min(free, key=lambda peak: _widths_between(chain[last], peak))
            near = _widths_between(chain[last], best) <= FARTHEST_STEP * (t - last)
            alike = best.words.get("colour") == _likeliest(chain, "colour")
            same = alike and best.words.get("kind") == _likeliest(chain, "kind")
            if (near and alike) or ((crossed or t - last > 2) and same):
                chain[t] = best
                free.remove(best)
        chains += [{t: peak} for peak in free]
    length = len(by_frame)
    preserved = [
        chain for chain in chains if len(chain) >= max(2, LEAST_SHARE * length) or length == 1
    ]
    return [_observed(chain, length) for chain in preserved]


def _widths_between(one: Peak, other: Peak) -> float:
    """The distance of two peaks, in widths of the larger."""
    return float(np.hypot(one.x - other.x, one.y - other.y)) / (2 * max(one.wide, other.wide, 2.0))


def _likeliest(chain: Mapping[int, Peak], name: str) -> str | None:
    found = Counter(peak.words[name] for peak in chain.values() if name in peak.words)
    return found.most_common(1)[0][0] if found else None


def _observed(chain: Mapping[int, Peak], length: int) -> Observed:
    def over(name: str) -> Float[ndarray, "t"]:
        values = np.full(length, np.nan)
        for t, peak in chain.items():
            values[t] = getattr(peak, name)
        return values

    first = next(iter(chain.values()))
    words = {name: _likeliest(chain, name) or "" for name in first.words}
    return Observed(words, *map(over, ("x", "y", "wide", "tall", "spins", "fallen")))
