"""The sentence of a refused value names it, its limits and their unit."""

from math import nan

import pytest

from sora_core.errors import ConfigError, SizeError, check_range


@pytest.mark.parametrize("value", [1, 1.5, 2])
def test_limits_are_within_the_range(value):
    check_range("steps", value, 1, 2)


@pytest.mark.parametrize("value", [0.9, 2.1, -1, nan])
def test_other_numbers_and_nan_are_in_no_range(value):
    with pytest.raises(ConfigError, match=f"^steps {value}: choose from 1 to 2$"):
        check_range("steps", value, 1, 2)


@pytest.mark.parametrize(
    ("limits", "allowed"), [((16, 64), "from 16 to 64 px"), ((16,), "16 px or more")]
)
def test_a_unit_stands_behind_each_number(limits, allowed):
    with pytest.raises(SizeError, match=f"^width 8 px: choose {allowed}$"):
        check_range("width", 8, *limits, error=SizeError, unit="px")
