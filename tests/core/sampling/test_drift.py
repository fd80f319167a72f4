"""Drift of a segment is reported in levels of colour and as a share of contrast."""

import pytest
import torch

from sora_core.sampling.drift import DriftMonitor, SegmentDrift, Statistics

RED_GREEN_BLUE = [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]]


def statistics(mean, deviation):
    shape = (1, 3, 1, 1, 1)
    return Statistics(torch.tensor(mean).reshape(shape), torch.tensor(deviation).reshape(shape))


LIKE = statistics([0.0, 0.1, 0.2], [0.5, 0.5, 0.5])


def test_a_part_that_is_the_same_has_not_wandered():
    drift = SegmentDrift.between(3, LIKE, LIKE, torch.tensor(RED_GREEN_BLUE))
    assert (drift.colour, drift.contrast, drift.far) == (0, 0, False)


def test_colour_is_reported_in_levels_and_contrast_as_a_share():
    own = statistics([6 / 127.5, 0.1 - 6 / 127.5, 0.2], [0.6, 0.6, 0.6])
    drift = SegmentDrift.between(3, own, LIKE, torch.tensor(RED_GREEN_BLUE))
    assert drift.colour == pytest.approx(4.0, abs=1e-4)
    assert drift.contrast == pytest.approx(0.2, abs=1e-5)
    assert drift.far


FAR, NEAR = statistics([0.1, 0.2, 0.3], [0.5, 0.5, 0.5]), statistics([0.01, 0.1, 0.2], [0.5] * 3)


def test_the_report_has_drift_with_and_without_anchoring_and_none_between_scenes():
    monitor = DriftMonitor.from_factors(RED_GREEN_BLUE)
    monitor.note(0, FAR, FAR, LIKE, 0.5)
    assert monitor.summary == ""
    monitor.note(1, NEAR, LIKE, LIKE, 1.0)
    assert "More than" not in monitor.summary
    monitor.note(2, FAR, NEAR, LIKE, 1.0)
    assert "not anchored: colour up to 12.8 of 255 (segment 3)" in monitor.summary
    assert "; anchored: colour up to 0.4 of 255 (segment 3)" in monitor.summary
    assert "without anchoring: segment 3." in monitor.summary and "Also" not in monitor.summary
    monitor.note(3, FAR, FAR, LIKE, 1.0)
    assert "without anchoring: segment 3, 4." in monitor.summary
    assert "Also with it: segment 4; try" in monitor.summary


def test_statistics_go_through_what_scales_and_shifts_each_channel():
    latent = torch.randn(1, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    scale, shift = torch.tensor([2.0, 3, 4]), torch.tensor([1.0, 0, -1])

    def affine(x):
        return x * scale.reshape(1, 3, 1, 1, 1) + shift.reshape(1, 3, 1, 1, 1)

    found, expected = (
        Statistics.from_latent(latent).transformed(affine),
        Statistics.from_latent(affine(latent)),
    )
    torch.testing.assert_close(found.mean, expected.mean)
    torch.testing.assert_close(found.deviation, expected.deviation)
