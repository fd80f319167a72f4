"""Pictures in files come out as they look, or are refused in a sentence."""

import numpy as np
import pytest
from PIL import Image

from sora_core.errors import MediaError
from sora_core.video.still import read_still

LEVELS = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))


def test_grey_of_16_bits_is_that_of_8(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(LEVELS.astype(np.uint16) * 257).save(path)
    assert np.array_equal(read_still(path)[0].numpy(), np.repeat(LEVELS[..., None], 3, 2))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGB", "RGBA", "CMYK"])
def test_every_mode_looks_the_same(tmp_path, mode):
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    ends = Image.fromarray(np.where(LEVELS < 128, 0, 255).astype(np.uint8))
    ends.convert(mode).save(path, **({"quality": 100} if mode == "CMYK" else {}))
    observed = read_still(path)[0].numpy().astype(int)
    assert abs(observed - np.asarray(ends)[..., None]).max() <= (8 if mode == "CMYK" else 0)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_every_orientation_is_shown_upright(tmp_path, suffix, turn):
    upright = Image.fromarray(np.repeat(LEVELS[..., None], 3, 2))
    inverse = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }[turn]  # fmt: skip
    stored = upright if inverse is None else upright.transpose(inverse)
    exif = Image.Exif()
    exif[0x112] = turn
    path = tmp_path / f"a.{suffix}"
    stored.save(path, exif=exif, **({} if suffix == "png" else {"quality": 100}))
    observed = read_still(path)[0].numpy().astype(int)
    assert abs(observed - np.asarray(upright)).max() <= 6


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_an_animation_is_not_taken_for_its_first_picture(tmp_path, suffix):
    first = Image.fromarray(LEVELS)
    path = tmp_path / f"a.{suffix}"
    first.save(path, save_all=True, append_images=[first.rotate(180)], duration=100)
    with pytest.raises(MediaError, match=r"an animation; save"):
        read_still(path)
