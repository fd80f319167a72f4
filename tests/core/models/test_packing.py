import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sora_core.models.packing import PackedClip, denoise_packed
from tests.support.tiny import tiny_transformer

grids = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))


def clips_of(shapes):
    generator = torch.Generator().manual_seed(len(shapes))
    clips = []
    for i, (frames, rows, columns) in enumerate(shapes):
        level_shape = [(1, 1, 1, 1, 1), (1, 1, frames, 1, 1), (1, 1, frames, 2 * rows, 2 * columns)]
        sigma = torch.rand(level_shape[i % 3], generator=generator)
        if sigma.shape[2] > 1:
            sigma[:, :, -1] = 0  # known footage
        clips.append(
            PackedClip(
                torch.randn(1, 16, frames, 2 * rows, 2 * columns, generator=generator),
                sigma,
                torch.randn(1, 3 + i, 384, generator=generator),
                start=float(i),
            )
        )
    return clips


def alone(model, clip):
    return model(clip.latent, clip.sigma, clip.text, start=clip.start)


@settings(deadline=None, max_examples=15)
@given(st.lists(grids, min_size=1, max_size=4))
def test_packed_clips_come_out_as_one_by_one(shapes):
    model, clips = tiny_transformer().requires_grad_(False), clips_of(shapes)
    for packed, clip in zip(denoise_packed(model, clips), clips, strict=True):
        torch.testing.assert_close(packed, alone(model, clip), atol=1e-5, rtol=0)


def test_the_packed_loss_has_the_gradients_of_one_by_one():
    clips = clips_of([(1, 2, 2), (3, 2, 3), (2, 1, 2)])
    packed, single = tiny_transformer(), tiny_transformer()
    result = denoise_packed(packed, clips)
    sum((m - c.latent).square().mean() for m, c in zip(result, clips, strict=True)).backward()
    for clip in clips:
        (alone(single, clip) - clip.latent).square().mean().backward()
    scale = max(p.grad.abs().max() for p in single.parameters())
    for a, b in zip(packed.parameters(), single.parameters(), strict=True):
        torch.testing.assert_close(a.grad / scale, b.grad / scale, atol=1e-5, rtol=0)
