"""Figures as lines and as a table."""

import json

from sora_core.measure.report import Figure, write_json


def test_a_figure_is_a_line_of_name_value_and_unit():
    name, value, unit = str(Figure("psnr_db", 34.125, "dB")).split()
    assert (name, float(value), unit) == ("psnr_db", 34.12, "dB")


def test_the_table_has_every_figure_by_name(tmp_path):
    write_json([Figure("colour", 0.5), Figure("shape", 0.25)], tmp_path / "figures.json")
    assert json.loads((tmp_path / "figures.json").read_text()) == {"colour": 0.5, "shape": 0.25}
