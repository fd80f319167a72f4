"""Count: the share of frames with exactly the things that should be there."""

from collections.abc import Sequence
from math import nan

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray

from ...shapes import Frames, Size
from .clips import SCENE_TRIES, SIZE, Clips, Sample, read_all
from .row import Row
from .tracker import track, track_of
from .worlds import FIRST_THING

VISIBLE = 0.6  # share of a thing's true outline that must be in view for a frame to count


def right_count(sample: Sample, frames: Frames) -> float:
    """The share of countable frames with the right number of things of each colour.

    nan if no frame of `sample` is countable."""
    right = [
        track(frames, tint).pieces == len(numbers)
        for tint, numbers in zip(sample.tints, sample.things, strict=True)
    ]
    usable = countable_frames(sample)
    return float(np.logical_and.reduce(right)[usable].mean()) if usable.any() else nan


def countable_frames(sample: Sample) -> Bool[ndarray, "t"]:
    """The frames in which every true thing is in view, and no two of one colour touch."""
    clip, counted = sample.clip, []
    for numbers in sample.things:
        wanted = torch.isin(clip.segments, torch.tensor(numbers, dtype=clip.segments.dtype))
        counted.append(track_of(wanted.float()).pieces == len(numbers))
        for k in numbers:
            counted.append(clip.truth.visible[k - FIRST_THING].numpy() >= VISIBLE)
    return np.logical_and.reduce(counted)


def countable_samples(clips: Clips, kind: str, count: int, size: Size = SIZE) -> list[Sample]:
    """The first `count` scenes of a kind with a countable frame.

    Fewer if 40 times as many scenes do not contain that many.
    """
    found: list[Sample] = []
    first, last = 0, SCENE_TRIES * count
    while len(found) < count and first < last and (some := clips.samples(kind, count, first, size)):
        found += [sample for sample in some if countable_frames(sample).any()]
        first = some[-1].shot.number + 1
    return found[:count]


def rows(clips: Clips, count: int, kinds: Sequence[str], name: str, size: Size) -> list[Row]:
    """`count/NAME` over clips of `kinds`, `count` of each."""
    samples = [sample for kind in kinds for sample in countable_samples(clips, kind, count, size)]
    return [read_all(clips, samples, right_count).means(f"count/{name}")]
