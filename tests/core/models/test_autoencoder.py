from weakref import ref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sora_core.models.autoencoder import DECODER_FADE, Block, empty_past
from sora_core.models.chunked_codec import decode_chunks, encode_chunks
from sora_core.training.decoder import with_one_decoder
from tests.support.memory import peak_memory
from tests.support.tiny import tiny_autoencoder

AUTOENCODER = tiny_autoencoder().requires_grad_(False)


def video(frames, rows=16, columns=24, batch=1):
    generator = torch.Generator().manual_seed(frames)
    return torch.rand(batch, 3, frames, rows, columns, generator=generator) * 2 - 1


@settings(deadline=None, max_examples=30)
@given(frames=st.integers(1, 23), chunk=st.integers(1, 24))
def test_encoding_in_chunks_of_any_length_is_encoding_at_once(frames, chunk):
    whole = AUTOENCODER.encode(video(frames))
    parts = list(encode_chunks(AUTOENCODER, video(frames).split(chunk, dim=2)))
    torch.testing.assert_close(torch.cat(parts, dim=2), whole, atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=20)
@given(latent_frames=st.integers(1, 7), chunk=st.integers(1, 8))
def test_decoding_in_chunks_of_any_length_is_decoding_at_once(latent_frames, chunk):
    latent = AUTOENCODER.encode(video(1 + 4 * (latent_frames - 1)))
    parts = list(decode_chunks(AUTOENCODER, latent, length=chunk))
    torch.testing.assert_close(
        torch.cat(parts, dim=2), AUTOENCODER.decode(latent), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("frames", [1, 5, 9, 17])
def test_the_decoded_video_is_as_long_and_as_large_as_the_encoded_one(frames):
    assert AUTOENCODER.decode(AUTOENCODER.encode(video(frames))).shape == video(frames).shape


def test_a_latent_frame_stands_for_four_frames_but_the_first_for_one():
    assert [AUTOENCODER.encode(video(n)).shape[2] for n in (1, 2, 5, 6, 9)] == [1, 2, 2, 3, 3]


def test_what_comes_later_changes_nothing_before():
    early = video(5)
    late = torch.cat([early, video(8)], dim=2)
    torch.testing.assert_close(
        AUTOENCODER.encode(late)[:, :, :2], AUTOENCODER.encode(early), atol=1e-5, rtol=0
    )


def test_what_is_not_marked_is_taken_as_generated():
    latent = AUTOENCODER.encode(video(9))
    generated = AUTOENCODER.decode(latent, torch.ones(1, 1, 1, 1, 1))
    torch.testing.assert_close(AUTOENCODER.decode(latent), generated)


def test_the_first_decoder_shows_what_was_encoded_up_to_what_was_generated():
    alone = with_one_decoder(AUTOENCODER)
    latent, marks = AUTOENCODER.encode(video(17)), torch.zeros(1, 1, 5, 1, 1)
    encoded = AUTOENCODER.decode(latent, marks)
    torch.testing.assert_close(encoded, alone.decode(latent))
    marks[:, :, 2] = 1
    result = AUTOENCODER.decode(latent, marks)
    torch.testing.assert_close(result[:, :, :5], encoded[:, :, :5])
    generated = AUTOENCODER.decode(latent)  # which has the same past
    gap = (encoded - generated)[:, :, 4:5]
    fading = DECODER_FADE ** torch.arange(1, 13).view(1, 1, -1, 1, 1)
    torch.testing.assert_close(result[:, :, 5:], generated[:, :, 5:] + fading * gap)
    assert gap.abs().max() > 0.1


@settings(deadline=None, max_examples=20)
@given(encoded=st.integers(0, 7), chunk=st.integers(1, 8))
def test_decoding_marked_latents_in_chunks_of_any_length_is_decoding_at_once(encoded, chunk):
    marks = torch.ones(1, 1, 7, 1, 1)
    marks[:, :, :encoded] = 0
    latent = AUTOENCODER.encode(video(25))
    parts = list(decode_chunks(AUTOENCODER, latent, marks, length=chunk))
    torch.testing.assert_close(
        torch.cat(parts, dim=2), AUTOENCODER.decode(latent, marks), atol=1e-5, rtol=0
    )


def test_with_one_decoder_the_mask_changes_nothing():
    alone, latent = with_one_decoder(AUTOENCODER), torch.randn(1, 16, 2, 2, 3)
    assert torch.equal(alone.decode(latent, torch.zeros(1, 1, 1, 1, 1)), alone.decode(latent))


def test_decoding_a_chunk_leaves_the_state_before_it_as_it_was():
    marks = torch.tensor([0.0, 0, 1, 1]).view(1, 1, -1, 1, 1)
    latent = AUTOENCODER.encode(video(13))
    _, state = AUTOENCODER.decode_chunk(latent[:, :, :1], None, marks[:, :, :1])
    first, second = (
        AUTOENCODER.decode_chunk(latent[:, :, 1:], state, marks[:, :, 1:]) for _ in range(2)
    )
    assert torch.equal(first[0], second[0])
    assert state.encoded is not None
    assert first[1].encoded is None  # generated frames went through


def test_encoding_a_chunk_leaves_the_past_before_it_as_it_was():
    _, past = AUTOENCODER.encode_chunk(video(1), None)
    first, second = (AUTOENCODER.encode_chunk(video(4), past)[0] for _ in range(2))
    assert torch.equal(first, second)


def old_pasts_alive(pasts, run):
    """How many tensors of `pasts` are alive as each block begins during `run`."""
    old = [ref(tensor) for past in pasts for tensor in (*past.coarse, *past.fine)]
    alive = []
    hooks = [
        block.register_forward_pre_hook(lambda *_: alive.append(sum(x() is not None for x in old)))
        for block in AUTOENCODER.modules()
        if isinstance(block, Block)
    ]
    run()
    for hook in hooks:
        hook.remove()
    return len(old), alive


@pytest.mark.parametrize("marked", [False, True])
def test_each_block_of_a_decoder_frees_its_past_before_the_next_block_runs(marked):
    marks = torch.zeros(1, 1, 1, 1, 1) if marked else None
    latent, state = AUTOENCODER.encode(video(5)), AUTOENCODER.decoder_state()
    AUTOENCODER.decode_next(latent[:, :, :1], state, marks)
    pasts = [state.generated, state.encoded] if marked else [state.generated]
    count, alive = old_pasts_alive(
        pasts, lambda: AUTOENCODER.decode_next(latent[:, :, 1:], state, marks)
    )
    assert count == len(alive) and alive == list(range(count, 0, -1))


def test_each_block_of_the_encoder_frees_its_past_before_the_next_block_runs():
    past = empty_past(AUTOENCODER.encoder)
    AUTOENCODER.encode_next(video(1), past)
    count, alive = old_pasts_alive([past], lambda: AUTOENCODER.encode_next(video(4), past))
    assert count == len(alive) and alive == list(range(count, 0, -1))


def test_decoding_in_chunks_needs_memory_for_one_state_and_not_for_two():
    latent, marks = torch.randn(1, 16, 4, 8, 8), torch.zeros(1, 1, 1, 1, 1)
    state = AUTOENCODER.decoder_state()
    AUTOENCODER.decode_next(latent[:, :, :1], state, marks)
    pasts = [state.generated, state.encoded]
    size = sum(tensor.nbytes for past in pasts for tensor in (*past.coarse, *past.fine))

    def stream():
        for _ in decode_chunks(AUTOENCODER, latent, marks, length=1):
            pass

    def with_both_states():
        state = None
        for part in latent.split(1, dim=2):
            _, state = AUTOENCODER.decode_chunk(part, state, marks)

    assert peak_memory(with_both_states) - peak_memory(stream) > 0.5 * size


def test_clips_of_a_batch_do_not_see_each_other():
    batch = video(5, batch=3)
    apart = torch.cat([AUTOENCODER.encode(clip[None]) for clip in batch])
    torch.testing.assert_close(AUTOENCODER.encode(batch), apart, atol=1e-5, rtol=0)


def test_the_norms_see_channels_alone_so_a_far_corner_changes_nothing_here():
    here, there = video(5, 160, 160), video(5, 160, 160)
    there[..., -8:, -8:] = 1
    latents = [AUTOENCODER.encode(v)[..., :4, :4] for v in (here, there)]
    assert torch.equal(*latents)
