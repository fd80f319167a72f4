"""The plan and the loss as pictures."""

import math
from itertools import pairwise

import numpy as np
import torch
from PIL import Image

from sora_core.training.own.curve_picture import loss_picture
from sora_core.training.own.picture import PAGE_HEIGHT, THUMBNAIL, clip_thumbnail, plan_pages
from sora_core.training.sheets import SAMPLE_SIDE, write_samples
from tests.support.clips import captioned_clip
from tests.support.plans import planned


def table_height(folder):
    return sum(page.shape[1] for page in plan_pages(planned(folder)))


def test_a_row_for_each_clip_and_each_file_left_out(tmp_path):
    heights = []
    for i in range(3):
        captioned_clip(tmp_path, f"{i}.mp4", seed=i, caption="caf\u00e9 \u732b " * 99)
        heights.append(table_height(tmp_path))
    (tmp_path / "broken.mp4").write_bytes(b"x")
    heights.append(table_height(tmp_path))
    assert heights[1] - heights[0] == heights[2] - heights[1] > THUMBNAIL[1]
    assert 0 < heights[3] - heights[2] < THUMBNAIL[1]


def test_a_long_table_is_cut_into_pages_between_its_rows(tmp_path):
    for i in range(9):
        captioned_clip(tmp_path, f"{i}.mp4", seed=i)
    (tmp_path / "broken.mp4").write_bytes(b"x")
    done = []
    pages = plan_pages(planned(tmp_path), done.append)
    assert len(pages) > 1 and done[-1] == 9 and done == sorted(done)
    assert all(page.shape[1] <= PAGE_HEIGHT + 12 and page.shape[2] == 560 for page in pages)
    for page in pages:  # the margins are empty: no row is cut
        assert (page[0, [0, -1]] == page[0, 0, 0]).all()


def test_the_row_of_samples_has_the_middle_frame_of_each_clip(tmp_path):
    clips = [torch.zeros(5, 40, 60, 3, dtype=torch.uint8) for _ in range(3)]
    for i, clip in enumerate(clips):
        clip[2] = 80 * (i + 1)
    write_samples(clips, tmp_path / "row.png")
    row = np.array(Image.open(tmp_path / "row.png"))
    assert row.shape == (SAMPLE_SIDE, 3 * SAMPLE_SIDE + 8, 3)
    centres = row[SAMPLE_SIDE // 2, SAMPLE_SIDE // 2 :: SAMPLE_SIDE + 4, 0]
    assert centres.tolist() == [80, 160, 240]


def test_a_thumbnail_is_the_clip_and_a_missing_file_has_none(tmp_path):
    path = captioned_clip(tmp_path, "a.mp4")
    plan = planned(tmp_path)
    thumbnail = clip_thumbnail(path, plan.clips[0])
    assert thumbnail is not None and thumbnail.shape == (THUMBNAIL[1], THUMBNAIL[0], 3)
    path.unlink()
    assert clip_thumbnail(path, plan.clips[0]) is None
    assert len(plan_pages(plan)) == 1


def test_a_falling_loss_is_drawn_falling():
    picture = loss_picture([(i, 10.0 - i) for i in range(10)], {}, 9)[0].float()
    blue = (picture[..., 2] - picture[..., 0]) > 60
    rows = [blue[:, x].nonzero().float().mean() for x in range(60, 480, 60) if blue[:, x].any()]
    assert len(rows) > 4 and all(b > a for a, b in pairwise(rows))


def test_any_losses_can_be_drawn():
    for points in ([], [(1, 1.0)], [(1, 1.0), (2, 1.0)], [(1, math.inf), (2, math.nan), (3, 1.0)]):
        picture = loss_picture(points, {"held_out/0.3": points}, 3)
        assert picture.dtype == torch.uint8 and picture.shape[0] == 1
