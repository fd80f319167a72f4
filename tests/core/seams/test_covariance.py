"""Anchoring by the covariance of channels gives predictions the reference's mean and covariance."""

import pytest
import torch

from sora_core.errors import ConfigError
from sora_core.pipeline.segment_runner import SegmentRunner, VideoTask
from sora_core.sampling.drift import Statistics
from sora_core.sampling.noise import seeded_noise
from sora_core.sampling.segments import SegmentSettings
from sora_core.seams.anchoring import anchor
from sora_core.seams.covariance import (
    LARGEST_GAIN,
    anchor_covariance,
    covariance_map,
    follows_reference,
)

CHANNELS, FRAMES, SIDE = 4, 6, 8
ALL = torch.ones(FRAMES, dtype=torch.bool)


def symmetric(seed, gains):
    """A symmetric matrix with these eigenvalues, in mixed directions."""
    generator = torch.Generator().manual_seed(seed)
    directions, _ = torch.linalg.qr(torch.randn(CHANNELS, CHANNELS, generator=generator).double())
    return directions @ torch.tensor(gains).double().diag() @ directions.T


def latent_of(seed, matrix=None, frames=FRAMES):
    """A latent of correlated channels."""
    latent = seeded_noise(seed, (1, CHANNELS, frames, SIDE, SIDE))
    matrix = symmetric(1, [3.0, 1.0, 0.5, 0.3]) if matrix is None else matrix
    return torch.einsum("cd,bdtyx->bctyx", matrix.float(), latent) + seed


def returned(latent):
    return lambda x, sigma: latent


def assert_statistics(found, expected):
    torch.testing.assert_close(found.mean, expected.mean, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.covariance, expected.covariance, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("gains", [[0.5, 0.9, 1.5, 3.5], [1.0, 1.0, 2.0, 2.0], [1.0] * 4])
def test_the_map_is_the_symmetric_one_between_two_covariances(gains):
    own = torch.stack([symmetric(seed, [9.0, 1.0, 0.25, 0.1]) for seed in (3, 4)])
    expected = symmetric(5, gains).expand(2, -1, -1)
    found = covariance_map(own, expected @ own @ expected)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("variances", [[0.0] * 4, [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1e-9]])
def test_what_a_model_hardly_predicts_grows_by_no_more_than_the_largest_gain(variances):
    own = torch.tensor(variances).diag()[None]
    gains = torch.linalg.eigvalsh(covariance_map(own, torch.eye(CHANNELS)[None]))
    assert gains.isfinite().all() and gains.amax() <= LARGEST_GAIN + 1e-9


def test_an_anchored_prediction_has_the_mean_and_covariance_of_the_reference():
    reference = Statistics.from_latent(latent_of(2))
    drifted = latent_of(6, symmetric(8, [2.0, 1.5, 0.4, 0.3]))
    anchored = anchor_covariance(returned(drifted), reference, 1.0, ALL)(drifted, 0.5)
    assert_statistics(Statistics.from_latent(anchored), reference)


def test_only_the_counted_frames_decide_and_all_frames_are_transformed_alike():
    reference = Statistics.from_latent(latent_of(2))
    drifted, counted = latent_of(6), ALL.clone()
    counted[:2] = False
    drifted[:, :, :2] += 5
    anchored = anchor_covariance(returned(drifted), reference, 1.0, counted)(drifted, 0.5)
    assert_statistics(Statistics.from_latent(anchored[:, :, 2:]), reference)
    assert not torch.allclose(anchored[:, :, :2], drifted[:, :, :2], atol=0.1)


def test_blur_across_channels_is_undone_where_each_channel_alone_does_not_notice_it():
    sharp = latent_of(2)
    values, directions = torch.linalg.eigh(Statistics.from_latent(sharp).covariance[0])
    fine = directions[:, :1]  # the direction of least variance
    keep = torch.eye(CHANNELS) - 0.6 * fine @ fine.T
    centre = sharp.mean((2, 3, 4), keepdim=True)
    blurred = torch.einsum("cd,bdtyx->bctyx", keep, sharp - centre) + centre
    reference = Statistics.from_latent(sharp)

    def least_variance(latent):
        return (fine.T @ Statistics.from_latent(latent).covariance[0] @ fine).item()

    each = anchor(returned(blurred), reference, 1.0)(blurred, 0.5)
    joint = anchor_covariance(returned(blurred), reference, 1.0, ALL)(blurred, 0.5)
    assert least_variance(joint) == pytest.approx(values[0].item(), rel=1e-3)
    assert least_variance(each) < 0.7 * values[0].item()


def test_half_the_strength_goes_half_of_it_and_none_changes_nothing():
    reference, drifted = Statistics.from_latent(latent_of(2)), latent_of(6)
    none, half, full = (
        anchor_covariance(returned(drifted), reference, strength, ALL)(drifted, 0.5)
        for strength in (0.0, 0.5, 1.0)
    )
    assert torch.equal(none, drifted)
    torch.testing.assert_close(half, (none + full) / 2)


def test_without_a_generated_frame_the_denoiser_is_the_same():
    denoise, reference = returned(latent_of(2)), Statistics.from_latent(latent_of(2))
    assert anchor_covariance(denoise, reference, 1.0, ~ALL) is denoise


def test_a_strength_out_of_range_is_refused():
    with pytest.raises(ConfigError, match=r"strength 1\.5"):
        anchor_covariance(returned(latent_of(2)), Statistics.from_latent(latent_of(2)), 1.5, ALL)


@pytest.mark.parametrize("backward", [False, True])
def test_a_sampler_that_fades_and_blurs_every_segment_drifts_no_more(backward):
    footage, links = latent_of(2, frames=5), 6
    frames = 5 + 3 * links
    known = torch.zeros(1, CHANNELS, frames, SIDE, SIDE)
    mask = torch.ones(1, 1, frames, SIDE, SIDE)
    placed = slice(frames - 5, frames) if backward else slice(0, 5)
    known[:, :, placed], mask[:, :, placed] = footage, 0
    weights = torch.ones(1, frames)
    video = VideoTask(known, mask, seeded_noise(1, known.shape), 0, ["a"], weights, weights)
    blur = symmetric(8, [1.0, 1.0, 0.8, 0.6]).float()

    def sample(task):
        segment = task.segment
        history = segment.known[:, :, -1:] if backward else segment.known[:, :, :1]
        faded = torch.einsum("cd,bdtyx->bctyx", blur, history.expand_as(segment.known)) + 0.3
        faded = faded.roll((1, 2), dims=(3, 4))
        denoise = task.denoiser(returned(faded), segment.known, segment.mask, segment.reference)
        return denoise(segment.known, 0.5)

    def drift(settings):
        whole, _ = SegmentRunner(video, settings, 5).run(sample)
        assert torch.equal(whole[:, :, placed], footage)
        last = whole[:, :, :3] if backward else whole[:, :, -3:]
        own, reference = Statistics.from_latent(last), Statistics.from_latent(footage)
        return [
            float((getattr(own, part) - getattr(reference, part)).norm())
            for part in ("mean", "covariance")
        ]

    free = drift(SegmentSettings(anchor=0.0))
    held = drift(SegmentSettings(anchor=1.0, covariance=True))
    assert max(held) < 0.02 and min(free) > 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_broken_prediction_is_returned_for_the_sampler_to_report(value):
    broken = latent_of(2)
    broken[0, 0, 0, 0, 0] = value
    reference = Statistics.from_latent(latent_of(3))
    anchored = anchor_covariance(returned(broken), reference, 1.0, ALL)(broken, 0.5)
    torch.testing.assert_close(anchored, broken, equal_nan=True)


def test_the_covariance_of_a_large_latent_in_half_precision_is_that_in_full_precision():
    latent = seeded_noise(4, (1, CHANNELS, 12, 96, 96))
    half, full = (Statistics.from_latent(each) for each in (latent.half(), latent))
    torch.testing.assert_close(half.covariance, full.covariance, rtol=0.01, atol=0.01)


@pytest.mark.parametrize(("contrast", "followed"), [(0.001, False), (0.2, False), (0.4, True)])
def test_nearly_flat_footage_is_no_reference_for_a_scene(contrast, followed):
    scene = latent_of(3)
    card = Statistics.from_latent(3.0 + contrast * latent_of(2))
    anchored = anchor_covariance(returned(scene), card, 1.0, ALL)(scene, 0.5)
    assert torch.equal(anchored, scene) != followed
    assert follows_reference(anchored, card) == followed
