import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sora_core.models.conditioning_features import conditioning_features
from tests.support.tiny import tiny_transformer

WIDTH = 3
masks = st.integers(1, 6).flatmap(
    lambda frames: st.lists(
        st.lists(st.booleans(), min_size=4, max_size=4), min_size=frames, max_size=frames
    )
)


def plain(tokens, known):
    """The same, token by token."""
    result = torch.zeros(*known.shape, WIDTH + 1)
    for t, row in enumerate(known):
        for s in range(len(row)):
            before = [u for u in range(t + 1) if known[u, s]][-1:]
            after = [u for u in range(t, len(known)) if known[u, s]][:1]
            near = {u: 1 / (1e-3 + abs(u - t)) for u in (*before, *after)}
            if near:
                found = sum(n * tokens[u, s] for u, n in near.items()) / sum(near.values())
                nearest = max(near.values())
                result[t, s] = torch.cat([found, torch.tensor([nearest / (1 + nearest)])])
    return result


@settings(deadline=None)
@given(masks, st.integers(0, 99))
def test_a_token_gets_the_nearest_known_ones_at_its_place(mask, seed):
    known = torch.tensor(mask)
    frames, places = known.shape
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(frames, places, WIDTH, generator=generator)
    result = conditioning_features(
        tokens.view(1, -1, WIDTH), (~known).float().view(1, -1) / 2, frames
    )
    torch.testing.assert_close(result.view(frames, places, -1), plain(tokens, known))


def test_levels_by_frame_and_by_token_hand_over_the_same():
    tokens, levels = torch.randn(2, 12, WIDTH), torch.tensor([[0.0, 0.5, 0.7], [0.2, 0.3, 0.0]])
    fine = levels.repeat_interleave(4, dim=1)
    assert torch.equal(
        conditioning_features(tokens, levels, 3), conditioning_features(tokens, fine, 3)
    )


def test_where_all_have_one_level_nothing_is_copied():
    assert conditioning_features(torch.randn(2, 12, WIDTH), torch.full((2, 1), 0.5), 3) is None


def test_what_stands_still_can_be_taken_over_to_the_bit():
    model = tiny_transformer().requires_grad_(False)
    model.copy_gate.weight.zero_()
    model.copy_gate.bias.fill_(1)
    latent, text = torch.randn(1, 16, 4, 4, 6), torch.randn(1, 5, 384)
    sigma = torch.tensor([0.0, 0.9, 0.9, 0.9]).view(1, 1, 4, 1, 1)
    result = model(latent, sigma, text)
    assert torch.equal(result, latent[:, :, :1].expand_as(result))


def test_what_is_handed_over_is_noticed():
    model = tiny_transformer().requires_grad_(False)
    latent, text = torch.randn(1, 16, 2, 4, 4), torch.randn(1, 5, 384)
    sigma = torch.tensor([0.0, 0.9]).view(1, 1, 2, 1, 1)
    observed = model(latent, sigma, text)
    model.cond_proj.weight.zero_()
    assert not torch.allclose(observed[:, :, 1], model(latent, sigma, text)[:, :, 1], atol=1e-3)
