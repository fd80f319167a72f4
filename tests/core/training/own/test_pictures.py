"""The plan and the loss as pictures."""

import math
from itertools import pairwise

import torch

from sora_core.training.own.curve_picture import loss_picture
from sora_core.training.own.picture import THUMBNAIL, clip_thumbnail, plan_picture
from tests.support.clips import captioned_clip
from tests.support.plans import planned


def test_a_row_for_each_clip_and_each_file_left_out(tmp_path):
    heights = []
    for i in range(3):
        captioned_clip(tmp_path, f"{i}.mp4", seed=i, caption="caf\u00e9 \u732b " * 99)
        heights.append(plan_picture(planned(tmp_path)).shape[1])
    (tmp_path / "broken.mp4").write_bytes(b"x")
    heights.append(plan_picture(planned(tmp_path)).shape[1])
    assert heights[1] - heights[0] == heights[2] - heights[1] > THUMBNAIL[1]
    assert 0 < heights[3] - heights[2] < THUMBNAIL[1]


def test_a_thumbnail_is_the_clip_and_a_missing_file_has_none(tmp_path):
    path = captioned_clip(tmp_path, "a.mp4")
    plan = planned(tmp_path)
    thumbnail = clip_thumbnail(path, plan.clips[0])
    assert thumbnail is not None and thumbnail.shape == (THUMBNAIL[1], THUMBNAIL[0], 3)
    path.unlink()
    assert clip_thumbnail(path, plan.clips[0]) is None
    assert plan_picture(plan).shape[0] == 1


def test_a_falling_loss_is_drawn_falling():
    picture = loss_picture([(i, 10.0 - i) for i in range(10)], {}, 9)[0].float()
    blue = (picture[..., 2] - picture[..., 0]) > 60
    rows = [blue[:, x].nonzero().float().mean() for x in range(60, 480, 60) if blue[:, x].any()]
    assert len(rows) > 4 and all(b > a for a, b in pairwise(rows))


def test_any_losses_can_be_drawn():
    for points in ([], [(1, 1.0)], [(1, 1.0), (2, 1.0)], [(1, math.inf), (2, math.nan), (3, 1.0)]):
        picture = loss_picture(points, {"held_out/0.3": points}, 3)
        assert picture.dtype == torch.uint8 and picture.shape[0] == 1
