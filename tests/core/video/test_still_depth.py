"""Grey pictures of 16 bits, as depth maps are: read at their own brightness."""

import numpy as np
import pytest
from PIL import Image

from sora_core.video.still import read_still


@pytest.mark.parametrize("level", [0, 1000, 32768, 65535])
def test_grey_of_16_bits_is_read_at_its_brightness(tmp_path, level):
    Image.fromarray(np.full((16, 16), level, np.uint16)).save(tmp_path / "a.png")
    frame = read_still(tmp_path / "a.png")
    assert frame.shape == (1, 16, 16, 3)
    assert (frame == round(level / 257)).all()
