"""The command that draws sheets ends with a picture or a sentence."""

import pytest
from PIL import Image

from sora_core.__main__ import main

SMALL = ("--count", "1", "--width", "16", "--height", "16", "--frames", "1")


def test_a_sheet_is_written(tmp_path):
    assert main(["world", "--show", str(tmp_path / "sheet.png"), *SMALL]) == 0
    assert Image.open(tmp_path / "sheet.png").format == "PNG"


@pytest.mark.parametrize(("option", "value", "sentence"), [
    ("--count", "0", "count 0: choose 1 or more"),
    ("--seed", "-1", "seed -1: choose 0 or more"),
    ("--scale", "0", "scale 0: choose 1 or more"),
    ("--across", "0", "across 0: choose 1 or more"),
    ("--fps", "0", "fps 0.0: choose a frame rate above 0"),
    ("--fps", "nan", "fps nan: choose a frame rate above 0"),
])  # fmt: skip
def test_a_number_out_of_range_is_a_sentence(tmp_path, capsys, option, value, sentence):
    path = tmp_path / "sheet.png"
    assert main(["world", "--show", str(path), *SMALL, option, value]) == 2
    assert sentence in capsys.readouterr().err and not path.exists()


@pytest.mark.parametrize("place", [".", "missing/sheet.png"])
def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path, capsys, place):
    assert main(["world", "--show", str(tmp_path / place), *SMALL]) == 2
    assert "cannot be written" in capsys.readouterr().err
