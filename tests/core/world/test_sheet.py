import numpy as np
import pytest
import torch
from PIL import Image

from sora_core.errors import SizeError
from sora_core.world.sheet import SHEET_GAP, contact_sheet


def test_a_sheet_holds_the_first_and_last_frame_of_every_clip_unchanged(tmp_path):
    clips = [torch.randint(0, 256, (9, 16, 24, 3), dtype=torch.uint8) for _ in range(2)]
    contact_sheet(clips, ["one", "two"], tmp_path / "sheet.png", columns=3, scale=1)
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = torch.from_numpy(np.array(sheet))
    row = (pixels.shape[0] - SHEET_GAP) // 2
    for i, clip in enumerate(clips):
        top = SHEET_GAP + i * row
        assert torch.equal(pixels[top : top + 16, SHEET_GAP : SHEET_GAP + 24], clip[0])
        right = SHEET_GAP + 2 * (24 + SHEET_GAP)
        assert torch.equal(pixels[top : top + 16, right : right + 24], clip[-1])


def test_each_clip_needs_its_caption(tmp_path):
    clip = torch.zeros(1, 16, 16, 3, dtype=torch.uint8)
    with pytest.raises(SizeError, match="one caption each"):
        contact_sheet([clip], [], tmp_path / "sheet.png")
