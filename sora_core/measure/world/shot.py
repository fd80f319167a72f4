"""Shot: whether each shot of a storyboard has its setting at its time."""

import torch

from ...canvas import edits
from ...shapes import Size
from .clips import FPS, Clips, exact_canvas
from .edit import elsewhere
from .row import Row, mean_row
from .setting import settings_of

SHOT_SECONDS = 4.0  # of each of two shots


def rows(clips: Clips, count: int) -> list[Row]:
    """`shot/setting`: the share of right floors and skies in the latter half of each shot."""
    known = settings_of(clips.world)
    sides: tuple[list[float], list[float], list[float]] = ([], [], [])
    each = round(SHOT_SECONDS * FPS)
    for sample in clips.samples("bounce", 4 * count, size=Size(64, 64, each)):
        if len(sides[0]) == count or (other := elsewhere(clips, sample)) is None:
            continue
        canvas = exact_canvas(Size(64, 64, 2 * each), FPS)
        canvas = edits.place_storyboard(
            canvas, [(0.0, sample.caption), (SHOT_SECONDS, other.caption)]
        )
        result = clips.generate(sample.caption, canvas, sample.shot.number)
        true = torch.cat([sample.clip.frames, other.clip.frames])
        limit = torch.cat([clips.limit(sample), clips.limit(other)])
        for side, frames in zip(sides, (true, limit, result), strict=True):
            facts = []
            for part, shot in ((frames[:each], sample), (frames[each:], other)):
                floor, sky = known.read(part[each // 2 :])
                facts += [
                    floor == clips.world.floor(shot.scene),
                    sky == clips.world.sky(shot.scene),
                ]
            side.append(sum(facts) / len(facts))
    return [mean_row("shot/setting", *sides)]
