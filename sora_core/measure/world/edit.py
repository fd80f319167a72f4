"""Edit and shot: the setting that a prompt or a storyboard asks for.

Video to video into another place and light, where the thing still follows its path, and the shots
of a storyboard, each with its setting at its time.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ...canvas import edits
from ...shapes import Frames, Size
from .clips import FPS, Clips, Sample, SampleSpec, exact_canvas
from .row import Row, mean_row_of
from .setting import Settings, settings_of
from .tracker import track, trackable

LAYOUT_FIRMNESS = 0.35  # of the footage: a change of place needs the layout but no colours
FOUND = 0.8  # share of frames with the thing
NEAR_RADII = 1.0  # largest distance from its path, in radii
SHOT_SECONDS = 4.0  # of each of two shots


def edit_rows(clips: Clips, count: int) -> list[Row]:
    """`edit/setting`: the mean of three facts: the floor asked for, the sky, the thing's path."""
    known = settings_of(clips.world)
    found = []
    for sample in clips.samples("roll", 4 * count):
        if len(found) == count or (other := elsewhere(clips, sample)) is None:
            continue
        canvas = exact_canvas(sample.shot.size, sample.shot.fps)
        canvas = edits.video_to_video(canvas, sample.clip.frames, LAYOUT_FIRMNESS)
        result = clips.generate(other.caption, canvas, sample.shot.number)
        sides = (other.clip.frames, clips.limit(other), result)
        found.append([_facts_share(clips, known, other, frames) for frames in sides])
    return [mean_row_of("edit/setting", found)]


def elsewhere(clips: Clips, sample: Sample) -> Sample | None:
    """The scene on another floor under another sky; None if its thing cannot be tracked there."""
    world, number = clips.world, sample.shot.number
    floors = [f for f in world.floors if f != world.floor(sample.scene)]
    skies = [s for s in world.skies if s != world.sky(sample.scene)]
    for i in range(len(floors)):
        floor, sky = floors[(number + i) % len(floors)], skies[(number + i) % len(skies)]
        scene = world.changed(sample.scene, floor=floor, sky=sky)
        shot = replace(sample.shot, kind=f"{sample.shot.kind} elsewhere")
        found = sample_of(clips, sample, scene, shot)
        if found:
            return found
    return None


def sample_of(clips: Clips, sample: Sample, scene: Any, shot: SampleSpec) -> Sample | None:  # noqa: ANN401
    """`scene`, a change of that of `sample`, as `shot`; None if its thing is not found there."""
    clip = clips.world.render(scene, shot.size, shot.fps)
    things = tuple(map(tuple, clips.world.tracked(scene)))
    tints = trackable(clip.frames, clip.segments, things)
    caption = clips.world.caption(scene, sample.shot.kind, sample.shot.number)
    return Sample(shot, scene, caption, clip, tuple(tints), things) if tints else None


def _facts_share(clips: Clips, known: Settings, sample: Sample, frames: Frames) -> float:
    return (2 * setting_share(clips, known, sample, frames) + follows(sample, frames)) / 3


def setting_share(clips: Clips, known: Settings, sample: Sample, frames: Frames) -> float:
    """The share of right facts, of two: the floor and the sky."""
    floor, sky = known.read(frames)
    right = [floor == clips.world.floor(sample.scene), sky == clips.world.sky(sample.scene)]
    return sum(right) / 2


def follows(sample: Sample, frames: Frames) -> bool:
    """Whether the first thing follows its true path within its radius."""
    found, true = (track(f, sample.tints[0]) for f in (frames, sample.clip.frames))
    both = found.found & true.inside
    if both.sum() < FOUND * true.inside.sum():
        return False
    apart = np.hypot(found.x - true.x, found.y - true.y)[both]
    return bool(np.median(apart) <= NEAR_RADII * np.sqrt(np.median(true.area) / np.pi))


def shot_rows(clips: Clips, count: int) -> list[Row]:
    """`shot/setting`: the share of right floors and skies in the latter half of each shot."""
    known = settings_of(clips.world)
    found, each = [], round(SHOT_SECONDS * FPS)
    for sample in clips.samples("bounce", 4 * count, size=Size(64, 64, each)):
        if len(found) == count or (other := elsewhere(clips, sample)) is None:
            continue
        canvas = exact_canvas(Size(64, 64, 2 * each), FPS)
        canvas = edits.place_storyboard(
            canvas, [(0.0, sample.caption), (SHOT_SECONDS, other.caption)]
        )
        result = clips.generate(sample.caption, canvas, sample.shot.number)
        true = torch.cat([sample.clip.frames, other.clip.frames])
        limit = torch.cat([clips.limit(sample), clips.limit(other)])
        halves = [
            [
                setting_share(clips, known, shot, part[each // 2 :])
                for shot, part in ((sample, frames[:each]), (other, frames[each:]))
            ]
            for frames in (true, limit, result)
        ]
        found.append([sum(shares) / 2 for shares in halves])
    return [mean_row_of("shot/setting", found)]
