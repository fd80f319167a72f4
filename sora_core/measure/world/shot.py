"""Shot: whether each shot of a storyboard has its setting at its time."""

import torch

from ...canvas import edits
from ...shapes import Size
from .clips import FPS, Clips, exact_canvas
from .edit import elsewhere, setting_share
from .row import Row, mean_row_of
from .setting import settings_of

SHOT_SECONDS = 4.0  # of each of two shots


def rows(clips: Clips, count: int) -> list[Row]:
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
