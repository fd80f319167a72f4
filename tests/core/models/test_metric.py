import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d

from sora_core.errors import ConfigError
from sora_core.models.dit import DiT, DiTConfig, TokenSubset, rope_angles
from sora_core.models.metric import (
    format_features,
    frame_seconds,
    metric_angles,
    metric_positions,
    rates,
)
from sora_core.models.packing import PackedClip, denoise_packed
from sora_core.models.patchify import patch_positions
from sora_core.shapes import COMPRESSION, Grid
from tests.support.tiny import unmoved_weights


def filled(**settings):
    torch.manual_seed(0)
    model = DiT(DiTConfig(width=64, depth=3, **settings))
    for linear in (module for module in model.modules() if isinstance(module, nn.Linear)):
        nn.init.normal_(linear.weight, std=linear.in_features**-0.5)
    return model.eval().requires_grad_(False)


GENERATOR = torch.Generator().manual_seed(3)
METRIC = filled(positions="metric")
FINE = filled(positions="metric", patch=1)
GRID = filled()
LATENT = torch.randn(2, 16, 3, 4, 6, generator=GENERATOR)
TEXT = torch.randn(2, 5, 384, generator=GENERATOR)
HALF = torch.full((1, 1, 1, 1, 1), 0.5)


@pytest.mark.parametrize("fps", [8.0, 12.0, 24.0])
def test_the_time_of_a_latent_frame_is_the_mean_time_of_its_frames(fps):
    frames = [torch.zeros(1), *torch.arange(1, 17).float().split(COMPRESSION.time)]
    expected = torch.stack([group.mean() / fps for group in frames])
    torch.testing.assert_close(frame_seconds(5, 0.0, torch.tensor([fps]))[0], expected)


def test_a_window_that_starts_later_has_the_seconds_of_the_whole():
    fps = torch.tensor([12.0])
    assert torch.equal(frame_seconds(2, 3.0, fps), frame_seconds(5, 0.0, fps)[:, 3:])


@pytest.mark.parametrize("patches", [(2, 2), (2, 1), (1, 1)])
def test_finer_tokens_lie_around_the_place_of_the_coarse_one(patches):
    fps = torch.tensor([8.0])
    scale = 1 if patches == (2, 1) else 2
    coarse = metric_positions(Grid(1, 4, 6), 0.0, fps, patches[0])[0, :, 1:]
    fine = metric_positions(Grid(1, 4 * scale, 6 * scale), 0.0, fps, patches[1])[0, :, 1:]
    rows, columns = 4 // patches[0], 6 // patches[0]
    plane = fine.T.reshape(1, 4, 2 * rows, 2 * columns)
    torch.testing.assert_close(avg_pool2d(plane, 2).flatten(2)[0].T, coarse)


def test_the_smaller_side_is_one_unit_whatever_the_shape():
    square, wide = (
        metric_positions(Grid(1, 8, columns), 0.0, torch.tensor([8.0]), 2)[0] for columns in (8, 14)
    )
    assert square[:, 1].unique().tolist() == wide[:, 1].unique().tolist()
    assert wide[:, 2].max() > square[:, 2].max()


def test_tokens_of_the_usual_size_and_rate_meet_as_those_of_models_that_count_them():
    grid = Grid(4, 8, 8)
    metric = metric_angles(metric_positions(grid, 1.0, torch.tensor([8.0]), 2))[0, 0]
    counted = rope_angles(patch_positions(grid, 1.0)[None])[0, 0]
    shared = [*range(6), *range(8, 17), *range(20, 29)]
    torch.testing.assert_close(
        (metric - metric[:1])[:, shared], (counted - counted[:1])[:, shared], atol=1e-5, rtol=1e-5
    )


def test_the_usual_rate_and_size_have_no_features():
    assert not format_features(Grid(5, 8, 8), torch.tensor([8.0])).any()


def test_rate_counts_where_positions_are_in_seconds_and_nowhere_else():
    assert not torch.allclose(METRIC(LATENT, HALF, TEXT), METRIC(LATENT, HALF, TEXT, fps=16.0))
    assert torch.equal(GRID(LATENT, HALF, TEXT), GRID(LATENT, HALF, TEXT, fps=16.0))


def test_each_row_has_its_own_rate():
    both = METRIC(LATENT, HALF, TEXT, fps=torch.tensor([8.0, 24.0]))
    alone = METRIC(LATENT[1:], HALF, TEXT[1:], fps=24.0)
    torch.testing.assert_close(both[1:], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("fps", [0.5, 1000.0, float("nan")])
def test_a_rate_out_of_range_is_refused(fps):
    with pytest.raises(ConfigError, match="choose from 1 to 240 fps"):
        rates(fps, 1, torch.device("cpu"))


@pytest.mark.parametrize("model", [METRIC, FINE])
def test_packed_clips_of_different_rates_and_sizes_are_what_they_are_alone(model):
    box = torch.full((1, 1, 3, 4, 6), 0.7)
    box[..., :2, :2] = 0
    still = torch.randn(1, 16, 1, 8, 4, generator=GENERATOR)
    clips = [
        PackedClip(LATENT[:1], box, TEXT[:1], fps=24.0),
        PackedClip(LATENT[1:], HALF, TEXT[1:, :3], fps=12.0, start=2.0),
        PackedClip(still, torch.full((1, 1, 1, 1, 1), 0.9), TEXT[:1, :2]),
    ]
    for packed, clip in zip(denoise_packed(model, clips), clips, strict=True):
        alone = model(clip.latent, clip.sigma, clip.text, start=clip.start, fps=clip.fps)
        torch.testing.assert_close(packed, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("model", [METRIC, FINE])
def test_a_level_of_each_cell_and_of_each_frame_are_the_same(model):
    level = torch.rand(2, 1, 3, 1, 1, generator=GENERATOR)
    level[:, :, 0] = 0
    finely = model(LATENT, level.expand(2, 1, 3, 4, 6), TEXT)
    torch.testing.assert_close(finely, model(LATENT, level, TEXT), atol=1e-5, rtol=0)


def test_no_token_dropped_changes_nothing():
    every = TokenSubset(torch.arange(18), first=1, last=2)
    torch.testing.assert_close(
        METRIC(LATENT, HALF, TEXT, subset=every), METRIC(LATENT, HALF, TEXT), atol=1e-5, rtol=0
    )


def test_a_dropped_token_is_not_heard_in_the_middle_blocks():
    subset = TokenSubset(
        torch.arange(12), first=0, last=3
    )  # the last latent frame is dropped throughout
    predicted = METRIC(LATENT, HALF, TEXT, subset=subset)
    other = METRIC(
        torch.cat([LATENT[:, :, :2], LATENT[:, :, 2:] + 1], 2), HALF, TEXT, subset=subset
    )
    torch.testing.assert_close(predicted[:, :, :2], other[:, :, :2], atol=1e-5, rtol=0)


def test_every_weight_of_a_metric_model_moves():
    torch.manual_seed(0)
    model = DiT(DiTConfig(width=64, depth=2, positions="metric", patch=1))
    model.init_weights()
    sigma = torch.rand(2, 1, 3, 1, 1)
    sigma[:, :, 0] = 0

    def loss():
        return model(LATENT, sigma, TEXT, fps=12.0).sub(LATENT).square().mean()

    assert unmoved_weights(model, loss) == []


@pytest.mark.parametrize("settings", [{"patch": 3}, {"patch": 0}, {"positions": "elsewhere"}])
def test_unknown_patches_and_positions_are_refused(settings):
    with pytest.raises(ConfigError):
        DiTConfig(width=64, depth=1, **settings)
