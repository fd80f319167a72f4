"""The known latent holds the placed footage, cell by cell, and nothing else."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from sora_core.canvas.canvas import FITS, Box, Canvas, Placement
from sora_core.canvas.encode import encode_canvas
from sora_core.checkpoints.safetensors_io import mapped_tensor
from sora_core.errors import ConfigError, SizeError
from sora_core.models.chunked_codec import encode_chunks
from sora_core.video.frames import video_from_frames
from sora_core.video.reader import read_frames
from sora_core.video.writer import write_video
from tests.support.clips import random_frames
from tests.support.memory import peak_memory
from tests.support.tiny import tiny_autoencoder

AUTOENCODER = tiny_autoencoder().requires_grad_(False)
CHANNELS = AUTOENCODER.config.latent_channels
quick = settings(deadline=None, max_examples=8)

WIDTH, HEIGHT, FPS = 48, 32, 8.0


def canvas(frames=17, **settings):
    return Canvas(width=WIDTH, height=HEIGHT, seconds=frames / FPS, fps=FPS, **settings)


def clip(frames, seed=0, height=HEIGHT, width=WIDTH):
    return random_frames(frames, seed, width, height)


def latent_of(frames):
    return AUTOENCODER.encode(video_from_frames(frames)[None])


def encode(canvas, **options):
    """The known latent of `canvas` and its mask."""
    encoded = encode_canvas(canvas, partial(encode_chunks, AUTOENCODER), CHANNELS, **options)
    return encoded.known, encoded.mask


def test_an_empty_canvas_knows_nothing():
    known, mask = encode(canvas())
    assert known.shape == (1, CHANNELS, 5, 4, 6)
    assert mask.shape == (1, 1, 5, 4, 6)
    assert not known.any()
    assert (mask == 1).all()


@quick
@given(frames=some.integers(1, 21), extra=some.integers(0, 9))
def test_a_clip_at_the_start_is_known_as_the_autoencoder_alone_knows_it(frames, extra):
    known, mask = encode(canvas(frames + extra).place(Placement(source=clip(frames))))
    whole = (frames - 1) // 4 + 1 if extra else mask.shape[2]
    assert (mask[:, :, :whole] == 0).all()
    if frames > 1 or extra == 0:
        assert (mask[:, :, whole:] == 1).all()
    expected = latent_of(clip(frames))[:, :, :whole]
    torch.testing.assert_close(known[:, :, :whole], expected, atol=1e-5, rtol=0)
    assert not known[:, :, whole:].any()


@quick
@given(begin=some.integers(0, 30), frames=some.integers(4, 20), total=some.integers(1, 33))
def test_a_latent_frame_is_kept_exactly_where_all_its_frames_are_footage(begin, frames, total):
    if begin >= total:
        return
    placed = canvas(total).place(Placement(source=clip(frames), start=begin / FPS))
    mask = encode(placed)[1][0, 0, :, 0, 0]
    wholly = []
    for j in range(len(mask)):
        of = range(max(0, 4 * j - 3), 4 * j + 1)
        wholly.append(all(begin <= min(f, total - 1) < begin + frames for f in of))
    if any(wholly):
        assert mask.tolist() == [0.0 if preserved else 1.0 for preserved in wholly]
    else:
        assert (mask == 0).sum() == 1


@quick
@given(frame=some.integers(0, 16))
def test_a_still_stands_for_its_whole_latent_frame(frame):
    still = clip(1)
    known, mask = encode(canvas().place(Placement(source=still, start=frame / FPS)))
    at = -(-frame // 4)
    assert mask[0, 0, :, 0, 0].tolist() == [float(j != at) for j in range(5)]
    expected = latent_of(still.expand(1 if at == 0 else 5, -1, -1, -1))[:, :, -1]
    torch.testing.assert_close(known[:, :, at], expected, atol=1e-5, rtol=0)


def test_footage_in_the_middle_is_encoded_with_its_own_past():
    footage = clip(12)
    known, _ = encode(canvas(25).place(Placement(source=footage, start=5 / FPS)))
    led = torch.cat([footage[:1], footage])  # the frame before the first is the first
    expected = latent_of(led)[:, :, 1:]
    torch.testing.assert_close(known[:, :, 2:5], expected, atol=1e-5, rtol=0)


@quick
@given(begin=some.integers(0, 11), turn=some.integers(1, 2))
def test_rotating_what_lies_on_a_ring_rotates_its_latent(begin, turn):
    ring = canvas(12, ring=True)
    known, mask = encode(ring.place(Placement(source=clip(9), start=begin / FPS)))
    later = Placement(source=clip(9), start=(begin + 4 * turn) / FPS)
    turned, turned_mask = encode(ring.place(later))
    assert known.shape[2] == 3
    torch.testing.assert_close(turned, known.roll(turn, 2), atol=1e-5, rtol=0)
    assert torch.equal(turned_mask, mask.roll(turn, 2))


def test_a_loop_that_no_latent_can_hold_is_refused():
    with pytest.raises(SizeError, match="2 seconds"):
        canvas(15, ring=True).grid()


@quick
@given(some.floats(0, 1))
def test_firmness_is_what_the_mask_leaves(firmness):
    mask = encode(canvas(5).place(Placement(source=clip(5), firmness=firmness)))[1]
    torch.testing.assert_close(mask, torch.full_like(mask, 1 - firmness))


def test_firmness_over_time_opens_a_latent_frame_as_far_as_its_softest_frame():
    falling = ((0.0, 1.0), (16 / FPS, 0.0))
    mask = encode(canvas().place(Placement(source=clip(17), firmness=falling)))[1]
    expected = torch.tensor([0.0, 4, 8, 12, 16]) / 16
    torch.testing.assert_close(mask[0, 0, :, 0, 0], expected)


def test_what_is_cut_before_the_canvas_still_counts_in_the_time_of_the_footage():
    footage, falling = clip(17), ((0.0, 1.0), (16 / FPS, 0.0))
    cut = Placement(source=footage, start=-8 / FPS, firmness=falling)
    known, mask = encode(canvas(9).place(cut))
    torch.testing.assert_close(mask[0, 0, :, 0, 0], torch.tensor([8.0, 12, 16]) / 16)
    expected = latent_of(footage[8:])[:, :, :2]
    torch.testing.assert_close(known[:, :, :2], expected, atol=1e-5, rtol=0)


def test_skip_and_seconds_choose_a_part():
    part = Placement(source=clip(17), skip=4 / FPS, seconds=5 / FPS)
    assert torch.equal(encode(canvas().place(part))[0][:, :, :2], latent_of(clip(17)[4:9]))


@quick
@given(left=some.integers(-20, 40), top=some.integers(-20, 30), fit=some.sampled_from(FITS))
def test_a_token_is_known_only_if_footage_covers_every_pixel_of_it(left, top, fit):
    box = Box(left, top, 32, 32)
    placed = Placement(source=clip(1, height=24, width=40), region=box, fit=fit)
    mask = encode(canvas(1).place(placed))[1][0, 0, 0]
    rows = (top, top + 32) if fit != "pad" else (top + 6, top + 25)
    for y in range(4):
        for x in range(6):
            up, to_the_left = y // 2 * 16, x // 2 * 16
            inside = left <= to_the_left and to_the_left + 16 <= left + 32
            inside = inside and rows[0] <= up and up + 16 <= rows[1]
            assert mask[y, x] == float(not inside)


def test_the_margin_that_no_one_sees_is_known_with_the_edge_it_repeats():
    odd = Canvas(width=41, height=27, seconds=5 / FPS, fps=FPS)
    placed = Placement(source=clip(5, height=27, width=41))
    known, mask = encode(odd.place(placed))
    assert not mask.any()
    repeated = torch.nn.functional.pad(
        video_from_frames(clip(5, height=27, width=41)), (3, 4, 2, 3), mode="replicate"
    )
    torch.testing.assert_close(known, AUTOENCODER.encode(repeated[None]), atol=1e-5, rtol=0)


def test_a_mask_opens_every_token_it_touches():
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[0, 20, 30] = 0.75
    openness = encode(canvas(5).place(Placement(source=clip(5), mask=mask)))[1]
    expected = torch.zeros(4, 6)
    expected[2:4, 2:4] = 0.75
    assert torch.equal(openness[0, 0], expected.expand(2, -1, -1))


def test_a_mask_may_change_from_frame_to_frame():
    mask = torch.zeros(17, 1, 1)
    mask[6] = 1
    openness = encode(canvas().place(Placement(source=clip(17), mask=mask)))[1]
    assert openness[0, 0, :, 0, 0].tolist() == [0, 0, 1, 0, 0]


def test_what_lies_on_top_counts_and_what_it_leaves_open_shows_what_is_beneath():
    below, above = clip(17, seed=1), clip(17, seed=2)
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[..., :16] = 1
    top = Placement(source=above, firmness=0.5, mask=mask)
    known, openness = encode(canvas().place(Placement(source=below), top))
    torch.testing.assert_close(known[..., :2], latent_of(below)[..., :2], atol=1e-5, rtol=0)
    torch.testing.assert_close(known[..., 2:], latent_of(above)[..., 2:], atol=1e-5, rtol=0)
    assert (openness[..., :2] == 0).all()
    assert (openness[..., 2:] == 0.5).all()


@quick
@given(start=some.integers(0, 4), count=some.integers(1, 7))
def test_a_placed_latent_is_known_as_it_is(start, count):
    latent = torch.randn(1, CHANNELS, count, 4, 6, generator=torch.Generator().manual_seed(3))
    at = canvas().frames_of(start).start / FPS
    known, mask = encode(canvas().place(Placement(source=latent, start=at)))
    fits = min(count, 5 - start)
    assert torch.equal(known[:, :, start : start + fits], latent[:, :, :fits])
    assert mask.sum() == (5 - fits) * 24


@pytest.mark.parametrize("shape", [(1, CHANNELS, 2, 4, 4), (1, CHANNELS - 1, 2, 4, 6)])
def test_a_latent_of_another_size_or_model_is_refused(shape):
    with pytest.raises(SizeError, match="made for this"):
        encode(canvas().place(Placement(source=torch.zeros(shape))))


def test_a_file_is_placed_as_its_frames_are(tmp_path):
    path = write_video(tmp_path / "clip.mp4", [clip(9, height=64, width=64)], FPS)
    frames = torch.cat(list(read_frames(path)))
    known, mask = encode(canvas().place(Placement(source=path, fit="crop")))
    expected, _ = encode(canvas().place(Placement(source=frames, fit="crop")))
    assert mask[0, 0, :, 0, 0].tolist() == [0, 0, 0, 1, 1]
    assert torch.equal(known, expected)


def test_nothing_is_read_before_it_is_encoded(tmp_path):
    missing = tmp_path / "missing.mp4"
    placed = canvas().place(Placement(source=missing))
    assert placed.grid().frames == 5


@pytest.mark.slow
def test_memory_beside_the_latent_does_not_depend_on_the_length(tmp_path):
    def peak(frames):
        mask = torch.zeros(1, 1, 1).expand(frames, -1, -1)
        placed = canvas(frames).place(Placement(source=clip(frames), mask=mask))
        capacity = partial(mapped_tensor, tmp_path / "latent.safetensors", "latent")
        return peak_memory(lambda: encode(placed, allocate=capacity))

    assert peak(257) < 1.1 * peak(65)


def test_pictures_at_another_rate_keep_their_speed():
    footage = clip(34)
    fast, _ = encode(canvas().place(Placement(source=footage, fps=2 * FPS)))
    same, _ = encode(canvas().place(Placement(source=footage[::2])))
    assert torch.equal(fast, same)


def test_pictures_of_the_host_are_the_same_as_bytes():
    known, _ = encode(canvas().place(Placement(source=clip(5).float() / 255)))
    assert torch.equal(known, encode(canvas().place(Placement(source=clip(5))))[0])


@pytest.mark.parametrize("start", [-1.0, 17 / FPS])
def test_footage_beside_the_canvas_is_refused(start):
    with pytest.raises(SizeError):
        encode(canvas().place(Placement(source=clip(8), start=start)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"firmness": 1.1},
        {"firmness": ((0.0, 1.0), (0.0, 0.5))},
        {"firmness": ()},
        {"fit": "squeeze"},
        {"skip": -1.0},
        {"seconds": 0.0},
        {"start": float("nan")},
        {"source": torch.zeros(4, 4)},
        {"source": torch.zeros(1, 16, 2, 4, 6), "skip": 1.0},
    ],
)
def test_what_no_placement_can_be_is_refused(wrong):
    with pytest.raises((ConfigError, SizeError)):
        Placement(**{"source": clip(1)} | wrong)
