"""Connect: whether one thing changes into another without a cross-fade, a cut or a dissolve.

Axes: t frames, y rows, x columns. The ends show one thing in two colours at two places. Between, a
frame is right if it has one solid thing in the colour of one end or between the two; the score is
the share of right frames if the thing travels the whole path without a jump. A cross-fade has two
things or jumps, a cut jumps, and a dissolve is not solid: all score about 0.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...canvas import edits
from ...shapes import Frames, Size
from .clips import FPS, Clips, Sample, SampleSpec, exact_canvas
from .edit import sample_of
from .row import Row, mean_row_of
from .tracker import Tint, Track, hue_difference, matte_of, track, track_of

JOIN_FRAMES = 21
FRAMES_BEFORE, FRAMES_AFTER = 5, 4  # known frames of the two clips
JUMP = 0.4  # of the path, from one frame to the next
SOLID = 0.5  # of the smaller end's area
APART = 1.6  # world units between the two places
GAP = 1.2  # of the thing's width, at least, between the middles: the two do not touch
TURNS = (20.0, 110.0)  # degrees between the two hues: distinct, with no grey between them
CALIBRATED_SCORE = 0.9
"""The least score of the true change: below, the colours are not distinct from the floor."""


@dataclass(frozen=True, slots=True)
class Change:
    """Two ends, and the true change from one to the other."""

    first: Sample
    last: Sample
    true: Frames


def score(frames: Frames, first: Track, last: Track, tints: tuple[Tint, Tint]) -> float:
    """The score, 0 to 1, of `frames` between as one solid thing going from `first` to `last`."""
    found = track_of(mix_matte(frames, tints))
    needed = SOLID * min(first.area[-1], last.area[0])
    right = (found.pieces == 1) & (found.area >= needed)
    start = np.array([first.x[-1], first.y[-1]])
    travel = np.array([last.x[0], last.y[0]]) - start
    places = np.stack([found.x[right], found.y[right]], axis=-1) - start
    passed = places @ travel / max(float(travel @ travel), 1e-6)
    if np.abs(np.diff(np.r_[0.0, passed, 1.0])).max() > JUMP:
        return 0.0
    return float(right.mean())


def mix_matte(frames: Frames, tints: tuple[Tint, Tint]) -> Float[Tensor, "t y x"]:
    """The share of each pixel whose colour is on the line from one tint to the other."""
    mixes = [_mixed_tint(*tints, float(share)) for share in np.linspace(0, 1, 7)]
    return torch.stack([matte_of(frames, mix) for mix in mixes]).amax(0)


def changes(clips: Clips, count: int) -> list[Change]:
    """The first `count` pairs of ends whose true change can be scored."""
    found: list[Change] = []
    size, number = Size(64, 64, FRAMES_BEFORE), 0
    while len(found) < count and number < 40 * count:
        sample = clips.sample(SampleSpec("still", number, size, FPS))
        number += 1
        if sample and (change := _change(clips, sample)):
            found.append(change)
    return found


def rows(clips: Clips, count: int) -> list[Row]:
    """`connect/change`: the mean score of connections between two clips."""
    found = []
    for change in changes(clips, count):
        canvas = exact_canvas(Size(64, 64, JOIN_FRAMES), FPS)
        first, last = change.first.clip.frames, change.last.clip.frames[:FRAMES_AFTER]
        canvas = edits.connect(canvas, first, last, FRAMES_BEFORE / FPS, FRAMES_AFTER / FPS)
        prompt = f"{change.first.caption} {change.last.caption}"
        result = clips.generate(prompt, canvas, change.first.shot.number)
        limit = clips.transformed(change.true)
        between = slice(FRAMES_BEFORE, -FRAMES_AFTER)
        found.append([_score(change, side[between]) for side in (change.true, limit, result)])
    return [mean_row_of("connect/change", found)]


def _change(clips: Clips, sample: Sample) -> Change | None:
    """The change from the scene of `sample` to the same with another colour and place."""
    world, number = clips.world, sample.shot.number
    for step in range(len(VIVID_COLOURS)):
        colour = VIVID_COLOURS[(number + step) % len(VIVID_COLOURS)]
        moved = world.changed(sample.scene, colour=colour, aside=APART)
        last = sample_of(clips, sample, moved, replace(sample.shot, kind="still later"))
        if last is None:
            continue
        turn = hue_difference(sample.tints[0].hue, last.tints[0].hue)
        if not (TURNS[0] <= turn <= TURNS[1] and _clear(sample, last)):
            continue
        change = Change(sample, last, _true_change(clips, sample, colour))
        if _score(change, change.true[FRAMES_BEFORE:-FRAMES_AFTER]) >= CALIBRATED_SCORE:
            return change
    return None


def _clear(sample: Sample, last: Sample) -> bool:
    """Whether both things are wholly in view, with floor between them."""
    first, other = (track(one.clip.frames, one.tints[0]) for one in (sample, last))
    width = 2 * np.sqrt(max(first.area[-1], other.area[0]) / np.pi)
    in_view = first.inside.all() and other.inside.all()
    return bool(in_view and abs(first.x[-1] - other.x[0]) > GAP * width + 2)


VIVID_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple")


def _true_change(clips: Clips, sample: Sample, colour: str) -> Frames:
    """The thing goes to its new place and takes its new colour, evenly, between the ends."""
    steps = JOIN_FRAMES - FRAMES_BEFORE - FRAMES_AFTER + 1
    frames = []
    for t in range(JOIN_FRAMES):
        share = min(1.0, max(0.0, (t - FRAMES_BEFORE + 1) / steps))
        aside = APART * share
        one, other = (
            clips.world.render(
                clips.world.changed(sample.scene, colour=name, aside=aside), Size(64, 64), FPS
            ).frames
            for name in (None, colour)
        )
        frames.append(((1 - share) * one.float() + share * other.float()).round().byte())
    return torch.cat(frames)


def _score(change: Change, frames: Frames) -> float:
    first = track(change.first.clip.frames, change.first.tints[0])
    last = track(change.last.clip.frames, change.last.tints[0])
    return score(frames, first, last, (change.first.tints[0], change.last.tints[0]))


def _mixed_tint(one: Tint, other: Tint, share: float) -> Tint:
    a, b = (
        tint.chroma * np.array([np.cos(np.radians(tint.hue)), np.sin(np.radians(tint.hue))])
        for tint in (one, other)
    )
    x, y = (1 - share) * a + share * b
    return Tint(float(np.degrees(np.arctan2(y, x))), float(np.hypot(x, y)))
