"""Drift along a chain of segments, and the PSNR of preserved footage."""

import pytest
import torch

from sora_core.errors import SizeError
from sora_core.measure.drift import ColourStats, Drift, preserved_psnr, texture_gain


def clip(seed=0):
    torch.manual_seed(seed)
    return torch.randint(60, 160, (4, 24, 32, 3), dtype=torch.uint8)


def test_the_same_clip_again_and_again_does_not_drift():
    drift = Drift.from_segments([clip()] * 4)
    assert (drift.colour, drift.net_colour, drift.contrast) == (0, 0, 0)


@pytest.mark.parametrize("shift", [1, 6])
def test_a_shift_in_brightness_with_every_link_is_that_drift(shift):
    drift = Drift.from_segments(clip() + shift * i for i in range(5))
    assert drift.colour == pytest.approx(shift, abs=1e-3)
    assert drift.net_colour == pytest.approx(shift, abs=1e-3)
    assert drift.contrast == pytest.approx(0, abs=1e-4)


def test_what_goes_and_comes_back_counts_per_link_but_not_in_the_end():
    drift = Drift.from_segments([clip(), clip() + 8, clip()])
    assert drift.colour == pytest.approx(8, abs=1e-3)
    assert drift.net_colour == 0


def test_halved_deviations_are_half_the_contrast():
    grey = (clip().float() - 110).div(2).add(110).round().to(torch.uint8)
    assert Drift.from_segments([clip(), clip(), grey]).contrast == pytest.approx(-0.5, abs=0.02)


def test_a_blank_clip_has_no_contrast_to_lose():
    blank = torch.full((2, 8, 8, 3), 90, dtype=torch.uint8)
    assert Drift.from_segments([blank, clip()[:, :8, :8]]).contrast == 0


def test_a_video_cut_at_its_joins_drifts_as_its_parts_do():
    whole = torch.cat([clip(seed) for seed in range(3)])
    parts = Drift.from_segments([whole[:4], whole[4:9], whole[9:]])
    along = Drift.along(whole.split(5), (4, 9))
    assert along.per_link == pytest.approx(parts.per_link, abs=1e-3)
    assert along.contrast == pytest.approx(parts.contrast, abs=1e-4)


@pytest.mark.parametrize("dims", [(0,), (1,), (2,), (1, 2)])
def test_looks_do_not_depend_on_where_things_are(dims):
    observed, turned = ColourStats.from_frames(clip()), ColourStats.from_frames(clip().flip(dims))
    assert (*turned.colour, turned.contrast) == pytest.approx((*observed.colour, observed.contrast))


def test_one_link_is_no_chain():
    with pytest.raises(SizeError, match="2 or more"):
        Drift.from_segments([clip()])
    with pytest.raises(SizeError, match="0 frames"):
        ColourStats.from_frames(clip()[:0])


def test_kept_footage_loses_six_decibels_with_twice_the_error():
    once, twice = (preserved_psnr(clip(), clip() + error) for error in (4, 8))
    assert once - twice == pytest.approx(6.02, abs=0.01)
    assert preserved_psnr(clip(), clip()) == 120


def test_only_pixels_that_count_are_compared():
    result, where = clip(), torch.ones(1, 24, 32)
    result[:, :, :8] += 50
    assert preserved_psnr(clip(), result) < 30
    where[:, :, :8] = 0
    assert preserved_psnr(clip(), result, where) == 120
    with pytest.raises(SizeError, match="no pixel"):
        preserved_psnr(clip(), result, torch.zeros(1, 24, 32))
    with pytest.raises(SizeError, match="sizes must be equal"):
        preserved_psnr(clip(), result[:2])


def noisy_clip(strength):
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(4, 16, 16, 1, generator=generator)
    return (128 + strength * noise).round().clamp(0, 255).to(torch.uint8).expand(-1, -1, -1, 3)


@pytest.mark.parametrize("gain", [-0.1, 0.0, 0.1])
def test_texture_that_grows_with_every_link_has_that_gain(gain):
    links = [noisy_clip(20 * (1 + gain) ** i) for i in range(4)]
    assert texture_gain(links) == pytest.approx(gain, abs=0.005)


def test_a_change_of_colour_alone_is_no_gain_of_texture():
    assert texture_gain([noisy_clip(10), noisy_clip(10) + 20]) == pytest.approx(0, abs=1e-6)


def test_one_link_has_no_gain_of_texture():
    with pytest.raises(SizeError, match="2 or more"):
        texture_gain([noisy_clip(10)])
