"""The error of a model on known frames, taken from their neighbours."""

import pytest
import torch

from sora_core.errors import ConfigError
from sora_core.sampling.inpaint import keep_known
from sora_core.sampling.noise import seeded_noise
from sora_core.sampling.samplers import euler
from sora_core.seams.hand_over import hand_over, neighbour_weights
from sora_core.seams.settings import JoinSettings

SHAPE = (1, 3, 7, 4, 4)


def fresh(i):
    return seeded_noise(3, SHAPE, 1 + i)


def mask_of(known, frames=7):
    mask = torch.ones(1, 1, frames, 4, 4)
    mask[:, :, known] = 0
    return mask


def test_footage_in_place_stays_exact():
    known, mask, sigmas = fresh(70), mask_of([0, 1]), [1.0, 0.8, 0.5, 0.2, 0.0]
    corrected = hand_over(lambda x, sigma: x.tanh(), known, mask, JoinSettings(hand_over=1.0))
    result = euler(keep_known(corrected, known, mask), fresh(0), sigmas)
    assert torch.equal(torch.where(mask == 0, result, known), known)


def test_an_error_that_all_frames_share_is_gone_beside_footage_and_stays_beyond_the_reach():
    true, bias = fresh(1), 0.5
    settings = JoinSettings(hand_over=1.0, reach=3)
    corrected = hand_over(lambda x, sigma: true + bias, true, mask_of([0]), settings)
    left = (corrected(true, 0.5) - true).mean(dim=(0, 1, 3, 4))[1:]
    assert torch.allclose(left, bias * torch.tensor([0, 1 / 3, 2 / 3, 1, 1, 1]), atol=1e-5)


def test_half_a_hand_over_takes_half_of_the_error():
    true = fresh(1)
    settings = JoinSettings(hand_over=0.5, reach=1)
    corrected = hand_over(lambda x, sigma: true + 1, true, mask_of([0]), settings)
    assert torch.allclose(corrected(true, 0.5)[:, :, 1], true[:, :, 1] + 0.5, atol=1e-5)


@pytest.mark.parametrize("known", [[], list(range(7))])
def test_without_a_join_the_denoiser_is_the_same(known):
    def denoise(x, sigma):
        return x

    settings = JoinSettings(hand_over=1.0)
    assert hand_over(denoise, fresh(1), mask_of(known), settings) is denoise
    assert hand_over(denoise, fresh(1), mask_of([0]), JoinSettings()) is denoise


def test_a_frame_that_is_known_in_part_hands_nothing_over():
    mask = mask_of([])
    mask[:, :, 0, :2] = 0
    assert neighbour_weights(mask, 4) is None


def test_on_a_ring_the_first_frame_is_beside_the_last():
    line, ring = (neighbour_weights(mask_of([6]), 2, ring) for ring in (False, True))
    assert line is not None and ring is not None
    assert line[0].sum() == 0 and ring[0, 6] == 1


def test_between_two_clips_no_frame_is_moved_by_more_than_the_whole_error():
    weights = neighbour_weights(mask_of([0, 2, 6]), 4)
    assert weights is not None
    assert weights.sum(dim=1).max() <= 1 + 1e-6
    assert weights[1, 0] == weights[1, 2] == 0.5


@pytest.mark.parametrize("gap", range(2, 7))
@pytest.mark.parametrize("reach", [1, 2, 4, 9])
def test_beside_one_of_two_clips_the_other_has_no_share(gap, reach):
    mask = torch.ones(1, 1, gap + 2, 2, 2)
    mask[:, :, [0, -1]] = 0
    weights = neighbour_weights(mask, reach)
    assert weights is not None
    assert weights[1].tolist() == [1, *[0] * (gap + 1)]
    assert weights[-2].tolist() == [*[0] * (gap + 1), 1]
    assert torch.equal(weights, weights.flip(0, 1))
    assert weights.sum(dim=1).max() <= 1


@pytest.mark.parametrize(
    "settings",
    [{"hand_over": -0.1}, {"hand_over": 1.1}, {"reach": 0}, {"easing": -1}, {"easing": 65}],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match="choose"):
        JoinSettings(**settings)
