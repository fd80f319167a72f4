import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sora_core.shapes import Grid
from sora_core.training.conditioning_masks import MASK_KINDS, draw_mask
from sora_core.training.flow_losses import (
    LEAST_SIGMA,
    cell_error,
    frame_step_loss,
    weighted_mean,
)
from sora_core.training.latent_dataset import coverage_of
from sora_core.training.transformer import TruthHead

ONES = torch.ones(1, 1, 1, 1, 1)


def flow_loss(predicted, clean, sigma, open_mask, weight):
    return weighted_mean(cell_error(predicted, clean, sigma), open_mask * weight)


@settings(deadline=None)
@given(
    st.builds(Grid, st.integers(2, 6), st.sampled_from([2, 4, 6, 8]), st.sampled_from([2, 4, 8])),
    st.sampled_from(MASK_KINDS),
    st.integers(0, 1000),
)
def test_a_mask_leaves_something_open_in_whole_patches(grid, kind, seed):
    mask = draw_mask(grid, kind, torch.Generator().manual_seed(seed))[0]
    cells = mask.unflatten(1, (-1, 2)).unflatten(3, (-1, 2))
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    assert (cells == cells[:, :, :1, :, :1]).all()
    assert mask.any()
    assert grid.frames == 2 or kind == "box" or mask.mean() < 1


def test_the_loss_of_a_clean_patch_is_that_of_the_velocity_it_implies():
    clean, noise = torch.randn(2, 2, 16, 1, 4, 4)
    result, sigma = (
        clean + 0.1 * torch.randn_like(clean),
        torch.tensor([0.4, 0.9]).view(2, 1, 1, 1, 1),
    )
    noisy = clean.lerp(noise, sigma)
    velocity_error = ((noisy - result) / sigma - (noisy - clean) / sigma).square().mean()
    open_mask, weight = torch.ones(1, 1, 1, 4, 4), torch.ones(2, 1, 1, 4, 4)
    torch.testing.assert_close(flow_loss(result, clean, sigma, open_mask, weight), velocity_error)


def test_known_footage_has_no_part_in_the_loss():
    clean, result = torch.zeros(1, 16, 2, 4, 4), torch.zeros(1, 16, 2, 4, 4)
    result[:, :, 0] = 5
    open_mask = torch.ones(1, 1, 2, 4, 4)
    open_mask[:, :, 0] = 0
    assert flow_loss(result, clean, ONES, open_mask, torch.ones(1, 1, 2, 4, 4)) == 0


def test_an_error_that_stays_is_no_step_except_from_known_footage():
    clean, open_mask, weight = (
        torch.zeros(1, 16, 4, 4, 4),
        torch.ones(1, 1, 4, 4, 4),
        torch.ones(1, 1, 4, 4, 4),
    )
    result = torch.ones_like(clean)
    assert frame_step_loss(result, clean, ONES, open_mask, weight) == 0
    open_mask[:, :, 0] = 0
    result[:, :, 0] = 9  # these cells are known: their prediction counts nowhere
    assert frame_step_loss(result, clean, ONES, open_mask, weight) == torch.tensor(1 / 3)
    result[:, :, 1:] = torch.tensor([1.0, -1, 1]).view(1, 1, 3, 1, 1)
    assert frame_step_loss(result, clean, ONES, open_mask, weight) == 3


def test_a_step_counts_more_where_little_moves():
    clean, open_mask = torch.zeros(2, 16, 2, 4, 4), torch.ones(1, 1, 2, 4, 4)
    clean[1, :, 1] = 1  # moves, the other one does not
    result = clean.clone()

    def wrong(clip):
        worse = result.clone()
        worse[clip, :, 1] += 0.1
        return frame_step_loss(worse, clean, ONES, open_mask, torch.ones(2, 1, 2, 4, 4))

    assert wrong(0) > 10 * wrong(1)


@settings(deadline=None)
@given(st.integers(3, 9), st.integers(0, 1000))
def test_between_two_ends_something_of_each_is_known(frames, seed):
    grid = Grid(frames, 2, 2)
    mask = draw_mask(grid, "both ends", torch.Generator().manual_seed(seed))[0, :, 0, 0]
    assert mask[0] == mask[-1] == 0
    assert mask.diff().abs().sum() == 2


def test_a_token_of_more_weight_counts_more():
    clean, result = torch.zeros(1, 16, 1, 4, 4), torch.zeros(1, 16, 1, 4, 4)
    result[..., :2, :2] = 1
    open_mask, weight = torch.ones(2, 1, 1, 1, 4, 4)
    weight[..., :2, :2] = 3
    assert torch.isclose(flow_loss(result, clean, ONES, open_mask, weight), torch.tensor(0.5))


def test_below_the_least_level_the_weight_grows_no_more():
    clean, result = torch.zeros(1, 16, 1, 4, 4), torch.ones(1, 16, 1, 4, 4)
    open_mask, weight = torch.ones(2, 1, 1, 1, 4, 4)
    losses = [
        flow_loss(result, clean, level * ONES, open_mask, weight) for level in (0, LEAST_SIGMA / 2)
    ]
    assert losses[0] == losses[1] == 1 / LEAST_SIGMA**2


def test_coverage_is_the_share_of_pixels_and_frames_of_each_token():
    segments = torch.zeros(1, 5, 32, 32, dtype=torch.uint8)
    segments[0, 0, :16, :8] = 3  # half of one token of the first frame
    segments[0, 1:3, 16:, 16:] = 4  # all of another, in two of four frames
    coverage = coverage_of(segments)
    assert coverage[0, 0, 0].tolist() == [[128, 0], [0, 0]]
    assert coverage[0, 1, 1].tolist() == [[0, 0], [0, 128]]
    assert coverage.count_nonzero() == 2


def test_the_truth_head_learns_what_the_features_say():
    torch.manual_seed(0)
    head = TruthHead(64)
    features = torch.randn(4, 6, 64)
    kinds = torch.tensor([[[i, i], [-1, -1]] for i in range(4)])
    coverage = torch.zeros(4, 2, 6)
    coverage[:, 0, :3] = 1
    features[:, :3] += 3 * torch.eye(64)[:4, None]
    optimizer = torch.optim.Adam(head.parameters(), 0.05)
    losses = []
    for _ in range(60):
        loss = head(features, coverage, kinds)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
