"""What steps and their ratios count: laws of seams, loops and optical flow."""

import pytest
import torch

from sora_core.errors import SizeError
from sora_core.measure.seams import MIN_STEPS, SEAM_KINDS, Seams, colour_distance, steps
from sora_core.video.flow import optical_flow

SIDE = 48


def texture(seed, side=4 * SIDE):
    """A smooth random picture without edges: it wraps around at its borders."""
    torch.manual_seed(seed)
    waves = torch.zeros(3, side, side)
    at = torch.arange(side) * 2 * torch.pi / side
    for _ in range(24):
        across, along = torch.randint(-14, 15, (2,))
        phase = across * at[None, None] + along * at[None, :, None]
        waves += torch.sin(phase + 6.28 * torch.rand(3, 1, 1))
    return (127 + 20 * waves).clamp(0, 255).to(torch.uint8).permute(1, 2, 0)


def moving(frames, right=2, down=0, seed=0, side=SIDE):
    """A window on a texture that moves evenly under it."""
    picture = texture(seed)
    shifted = (picture.roll((down * t, right * t), dims=(0, 1)) for t in range(frames))
    return torch.stack([frame[:side, :side] for frame in shifted])


def ratios(frames, join, loop=False):
    return Seams(steps([frames], loop), () if join == 0 else (join,), loop).ratios(join)


@pytest.mark.parametrize("right, down", [(1, 0), (0, -2), (3, 2), (-4, 1)])
def test_flow_finds_how_far_a_picture_moved(right, down):
    first, second = moving(2, right, down)
    inside = optical_flow(first[None], second[None])[0, :, 8:-8, 8:-8]
    assert inside.mean(dim=(1, 2)).tolist() == pytest.approx([right, down], abs=0.15)


def test_flow_of_a_large_picture_counts_its_own_pixels():
    picture = texture(0, side=640)
    moved = picture.roll(8, dims=1)
    found = optical_flow(picture[None, :480], moved[None, :480])[0]
    assert found.shape[2] < 200
    assert found[0, 4:-4, 4:-4].mean().item() == pytest.approx(8, rel=0.05)


@pytest.mark.parametrize("join", [1, 4, 9])
def test_even_motion_has_a_ratio_of_one_at_every_frame(join):
    assert ratios(moving(10), join) == {kind: pytest.approx(1, abs=0.2) for kind in SEAM_KINDS}


def test_a_hard_cut_stands_out_in_pixels_and_colour():
    other = (moving(6, seed=1).float() * 0.6).to(torch.uint8)
    found = ratios(torch.cat([moving(6), other]), 6)
    assert found["pixels"] > 3
    assert found["colour"] > 10


def test_a_leap_stands_out_in_flow_as_far_as_it_leaps():
    clip = moving(24, right=1, side=96)
    leap = torch.cat([clip[:8], clip[10:]])  # 3 pixels where 1 is usual
    assert ratios(leap, 8)["flow"] == pytest.approx(3, rel=0.1)


def test_a_doubled_frame_has_a_ratio_near_zero():
    clip = moving(10)
    doubled = torch.cat([clip[:5], clip[4:]])
    assert ratios(doubled, 5)["pixels"] < 0.1
    assert ratios(doubled, 5)["flow"] < 0.1


def test_a_shift_in_brightness_is_that_far_in_colour_and_motion_is_not_far():
    clip = moving(4).clamp(20, 200)
    assert colour_distance(clip[0], clip[0] + 7) == pytest.approx(7)
    assert colour_distance(clip[0], clip[0].flip(0)) == 0


def test_a_still_video_has_ratios_of_one():
    still = moving(1).expand(6, -1, -1, -1)
    measured = Seams(steps([still], loop=True), (3,), loop=True)
    assert measured.ratios(3) == measured.ratios(0) == dict.fromkeys(SEAM_KINDS, 1.0)
    assert measured.usual("pixels") == 0 < MIN_STEPS["pixels"]


def test_a_flash_in_a_still_video_is_seen():
    still = moving(1).clamp(0, 200).expand(6, -1, -1, -1).clone()
    still[3:] += 10
    assert ratios(still, 3)["pixels"] == pytest.approx(10 / MIN_STEPS["pixels"])


@pytest.mark.parametrize("dims", [1, 2, (1, 2)])
def test_a_mirrored_video_has_the_same_steps(dims):
    clip = moving(6, 2, 1)
    dims = (dims,) if isinstance(dims, int) else dims
    observed, mirrored = steps([clip]), steps([clip.flip(dims)])
    for kind in SEAM_KINDS:
        assert torch.allclose(observed.of(kind), mirrored.of(kind), rtol=1e-3, atol=1e-3)


def test_played_backwards_pixels_and_colours_step_as_far():
    clip = torch.cat([moving(4), moving(3, seed=1)])
    observed, reversed_ = steps([clip]), steps([clip.flip(0)])
    assert torch.allclose(observed.pixels, reversed_.pixels.flip(0))
    assert torch.allclose(observed.colour, reversed_.colour.flip(0), atol=1e-5)


def test_chunks_of_any_length_give_the_same_steps():
    clip = moving(11)
    whole = steps([clip], loop=True)
    for length in (1, 3, 10):
        parts = steps(clip.split(length), loop=True)
        assert all(torch.allclose(whole.of(k), parts.of(k), atol=1e-4) for k in SEAM_KINDS)


def test_turning_a_loop_turns_its_steps():
    clip = torch.cat([moving(4), moving(5, seed=1)])
    around = steps([clip], loop=True)
    turned = steps([clip.roll(3, dims=0)], loop=True)
    for kind in SEAM_KINDS:
        assert torch.allclose(around.of(kind).roll(3), turned.of(kind), atol=1e-3)


def test_a_perfect_loop_has_no_seam_wherever_it_begins():
    side = 4 * SIDE
    loop = moving(12, right=side // 12)  # once around the texture
    for turn in (0, 1, 7):
        found = ratios(loop.roll(turn, dims=0), 0, loop=True)
        assert found["pixels"] == pytest.approx(1, abs=0.1)


def test_a_clip_that_does_not_close_has_a_loop_seam():
    assert ratios(moving(10), 0, loop=True)["pixels"] > 2


@pytest.mark.parametrize("frames", [1, 2])
def test_too_short_a_clip_is_refused(frames):
    with pytest.raises(SizeError, match="less than 3 frames"):
        steps([moving(frames)])


def test_what_is_no_join_is_refused():
    clip = steps([moving(4)])
    for joins in ((4,), (0,), (-1,)):
        with pytest.raises(SizeError, match="choose from 1 to 3"):
            Seams(clip, joins)
    with pytest.raises(SizeError, match="leave no step"):
        Seams(clip, (1, 2, 3))
    with pytest.raises(SizeError, match="of loops only"):
        Seams(clip).ratio("pixels", 0)
