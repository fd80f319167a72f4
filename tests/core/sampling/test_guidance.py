import math

import pytest
import torch

from sora_core.errors import ConfigError
from sora_core.sampling.guidance import guide
from sora_core.sampling.samplers import euler
from sora_core.sampling.schedules import linear_sigmas

SHAPE = (3, 2, 4, 5, 6)


def normal(seed, *scales):
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x * torch.tensor(scales or (1, 1, 1)).reshape(3, 1, 1, 1, 1)


def conditional(x, sigma):
    return x * (1 - sigma) + normal(1, 1, 2, 3)


class Counted:
    """An unconditional model that remembers at which sigmas it was called."""

    def __init__(self):
        self.sigmas = []

    def __call__(self, x, sigma):
        self.sigmas.append(sigma)
        return normal(2)


def test_scale_one_is_the_conditional_model_and_never_calls_the_other():
    unconditional = Counted()
    guided = guide(conditional, unconditional, 1.0, rescale=0.7)
    assert torch.equal(guided(normal(0), 0.5), conditional(normal(0), 0.5))
    assert unconditional.sigmas == []


def test_scale_zero_is_the_unconditional_model():
    guided = guide(conditional, Counted(), 0.0)
    assert torch.allclose(guided(normal(0), 0.5), normal(2), rtol=0, atol=1e-12)


def test_the_result_is_linear_in_the_scale():
    at = [guide(conditional, Counted(), scale)(normal(0), 0.5) for scale in (2.0, 3.0, 4.0)]
    assert torch.allclose(at[1], (at[0] + at[2]) / 2, rtol=0, atol=1e-12)


def test_guiding_clean_predictions_is_guiding_velocities():
    x, sigma, scale = normal(0), 0.3, 5.0
    v_text, v_none = ((x - clean) / sigma for clean in (conditional(x, sigma), normal(2)))
    velocity = v_none + scale * (v_text - v_none)
    guided = guide(conditional, Counted(), scale)(x, sigma)
    assert torch.allclose((x - guided) / sigma, velocity, rtol=0, atol=1e-12)


def test_outside_the_interval_the_unconditional_model_is_not_called():
    unconditional = Counted()
    guided = guide(conditional, unconditional, 4.0, interval=(0.25, 0.75))
    euler(guided, normal(0), linear_sigmas(8))
    assert unconditional.sigmas == [0.75, 0.625, 0.5, 0.375, 0.25]
    assert torch.equal(guided(normal(0), 0.8), conditional(normal(0), 0.8))


def test_the_noisiest_token_decides_whether_a_step_is_in_the_interval():
    unconditional = Counted()
    guided = guide(conditional, unconditional, 4.0, interval=(0.5, 1.0))
    level = torch.zeros(3, 1, 4, 1, 1, dtype=torch.float64)
    guided(normal(0), level + 0.4)
    assert len(unconditional.sigmas) == 0
    level[:, :, -1] = 0.6
    guided(normal(0), level)
    assert len(unconditional.sigmas) == 1


def deviations(x):
    return x.flatten(1).std(dim=1)


def test_full_rescale_restores_each_samples_deviation():
    guided = guide(conditional, Counted(), 7.0, rescale=1.0)(normal(0), 0.5)
    assert torch.allclose(deviations(guided), deviations(conditional(normal(0), 0.5)))


def test_rescale_blends_between_plain_and_fully_rescaled():
    plain, half, full = (
        guide(conditional, Counted(), 7.0, rescale=phi)(normal(0), 0.5) for phi in (0, 0.5, 1)
    )
    assert torch.allclose(half, (plain + full) / 2, rtol=0, atol=1e-12)
    assert not torch.allclose(deviations(plain), deviations(full), rtol=0.1)


@pytest.mark.parametrize(
    ("setting", "summary"),
    [
        ({"rescale": 1.5}, "rescale 1.5: choose"),
        ({"rescale": math.nan}, "rescale nan: choose"),
        ({"interval": (0.8, 0.2)}, "interval 0.8 to 0.2: choose"),
        ({"interval": (0.0, 2.0)}, "interval 0.0 to 2.0: choose"),
    ],
)
def test_settings_outside_their_range_are_refused(setting, summary):
    with pytest.raises(ConfigError, match=summary):
        guide(conditional, Counted(), 4.0, **setting)


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), -float("inf")])
def test_a_scale_that_is_no_number_is_refused(scale):
    with pytest.raises(ConfigError, match="scale"):
        guide(conditional, Counted(), scale)
