import pytest
import torch

from sora_core.checkpoints import presets
from sora_core.errors import ConfigError
from sora_core.models.dit import DiT, DiTConfig, apply_rope, rope_angles
from sora_core.models.layers import written_out_attention
from sora_core.models.noise_levels import token_levels
from sora_core.models.patchify import patch_positions, patchify, unpatchify
from sora_core.shapes import Grid
from tests.support.tiny import tiny_transformer, unmoved_weights

DIT = tiny_transformer().requires_grad_(False)
GENERATOR = torch.Generator().manual_seed(3)
LATENT = torch.randn(2, 16, 3, 4, 6, generator=GENERATOR)
TEXT = torch.randn(2, 5, 384, generator=GENERATOR)
HALF = torch.full((1, 1, 1, 1, 1), 0.5)


def test_unpatchify_undoes_patchify():
    assert torch.equal(unpatchify(patchify(LATENT), Grid(3, 4, 6)), LATENT)


@pytest.mark.parametrize(
    "preset, millions",
    [("mini", 12.0), ("small", 128.4), ("base", 658.8), ("large", 2241.4), ("huge", 7527.8)],
)
def test_a_preset_has_as_many_parameters_as_it_says(preset, millions):
    with torch.device("meta"):
        model = DiT(getattr(presets, preset)())
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (2, 1, 3, 1, 1), (1, 1, 3, 4, 6)])
def test_a_noise_level_stated_finely_or_coarsely_is_the_same(shape):
    torch.testing.assert_close(
        DIT(LATENT, HALF.expand(shape), TEXT), DIT(LATENT, HALF, TEXT), atol=1e-5, rtol=0
    )


def test_each_token_gets_its_own_noise_level():
    sigma = torch.full((1, 1, 3, 1, 1), 0.5)
    sigma[:, :, 0] = 0
    assert not torch.allclose(DIT(LATENT, sigma, TEXT), DIT(LATENT, HALF, TEXT), atol=1e-3)


def test_noise_levels_are_kept_as_few_as_they_are():
    grid = Grid(3, 4, 6)
    counts = [
        token_levels(torch.rand(shape), 2, grid).shape
        for shape in ((1, 1, 1, 1, 1), (2, 1, 3, 1, 1), (1, 1, 3, 4, 6))
    ]
    assert counts == [(2, 1), (2, 3), (2, 18)]


def test_padded_words_change_nothing():
    padded = torch.cat([TEXT, torch.full((2, 3, 384), 9.0)], dim=1)
    mask = torch.arange(8).expand(2, -1) < 5
    torch.testing.assert_close(
        DIT(LATENT, HALF, padded, mask), DIT(LATENT, HALF, TEXT), atol=1e-5, rtol=0
    )


def test_attention_written_out_is_the_fused_one():
    torch.testing.assert_close(
        DIT(LATENT, HALF, TEXT, attend=written_out_attention),
        DIT(LATENT, HALF, TEXT),
        atol=1e-5,
        rtol=0,
    )


def test_turned_queries_and_keys_meet_by_their_distance_alone():
    q, k = torch.randn(2, 1, 1, 1, 64, generator=GENERATOR)

    def product(a, b):
        (p, q_), places = (q, k), torch.tensor([[a, b]], dtype=torch.float32)
        angles = [rope_angles(place[None, None]) for place in places[0]]
        turned = [
            apply_rope(x, angle.cos(), angle.sin())
            for x, angle in zip((p, q_), angles, strict=True)
        ]
        return (turned[0] * turned[1]).sum()

    near = product([0, 0, 0, 0, 0], [2, -1, 3, 0, 0])
    moved = product([7, 4, -2, 0, 0], [9, 3, 1, 0, 0])
    torch.testing.assert_close(near, moved, atol=1e-4, rtol=0)


def test_a_window_that_starts_later_has_the_positions_of_the_whole():
    whole, window = patch_positions(Grid(5, 4, 4)), patch_positions(Grid(2, 4, 4), start=3)
    assert torch.equal(whole[-len(window) :], window)


def test_every_weight_has_moved_after_a_few_steps():
    torch.manual_seed(0)
    model = DiT(DiTConfig(width=64, depth=2))
    model.init_weights()
    sigma = torch.rand(2, 1, 3, 1, 1)
    sigma[:, :, 0] = 0

    def loss():
        return model(LATENT, sigma, TEXT).sub(LATENT).square().mean()

    assert unmoved_weights(model, loss) == []


@pytest.mark.parametrize("width, depth", [(32, 2), (100, 2), (64, 0)])
def test_a_config_that_cannot_be_is_refused(width, depth):
    with pytest.raises(ConfigError, match=str(width if depth else depth)):
        DiTConfig(width=width, depth=depth)


@pytest.mark.parametrize("name", ["depth", "latent_channels", "text_width", "mlp_ratio"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_layer_without_numbers_is_refused(name, number):
    with pytest.raises(ConfigError, match=f"transformer {name} {number}"):
        DiTConfig(**{"width": 64, "depth": 1} | {name: number})
