"""The captioner receives footage of any size and rate in the size and rate of its training."""

import copy

import pytest
import torch

from sora_core.canvas.canvas import Placement
from sora_core.checkpoints.captioner_file import load_captioner
from sora_core.checkpoints.safetensors_io import write_tensors
from sora_core.errors import SizeError, WeightsError
from sora_core.models.captioner import WINDOW, Captioner, CaptionerConfig
from sora_core.models.vocabulary import LONG_SIGN, Vocabulary
from sora_core.models.vocabulary import UNCLEAR_SIGN as UNCLEAR_WORD
from sora_core.pipeline.caption import (
    CAPTION_FPS,
    CELL_SIDE,
    MAX_CLIPS,
    MAX_STILLS,
    UNCLEAR_MESSAGE,
    WINDOW_FRAMES,
    caption,
    captioner_size,
    footage_clips,
    latent_clips,
    stills,
)
from sora_core.training.captioner import save_captioner

VOCABULARY = Vocabulary.from_captions(["A red ball rolls left on grass. It is night."])


@pytest.fixture(scope="module")
def captioner():
    torch.manual_seed(0)
    result = Captioner(CaptionerConfig(width=32, seeing=1, saying=1), VOCABULARY)
    return result.eval().requires_grad_(False)


def encode(chunks):
    """Each latent cell is the mean of its pixels, in every channel."""
    video = torch.cat(list(chunks), dim=2)
    video = torch.cat([video[:, :, :1].expand(-1, -1, 3, -1, -1), video], dim=2)
    missing = -video.shape[2] % 4
    video = torch.cat([video, video[:, :, -1:].expand(-1, -1, missing, -1, -1)], dim=2)
    yield torch.nn.functional.avg_pool3d(video, (4, 8, 8)).mean(1, keepdim=True)


def ramp(frames, height=48, width=80):
    """Pictures that grow lighter from frame to frame."""
    levels = torch.linspace(0, 1, frames).view(-1, 1, 1, 1)
    return levels.expand(-1, height, width, 3)


@pytest.mark.parametrize(
    "size", [(64, 64), (1920, 1080), (1080, 1920), (4096, 16), (16, 16), (640, 48)]
)
def test_footage_of_any_shape_is_seen_in_whole_tokens_near_the_size_of_training(size):
    width, height = captioner_size(*size)
    assert width % CELL_SIDE == height % CELL_SIDE == 0
    assert min(width, height) == 64
    assert max(width, height) <= 128
    assert (width > height) == (size[0] > size[1])


@pytest.mark.parametrize("frames, fps", [(1, 8.0), (5, 8.0), (17, 8.0), (51, 24.0), (240, 24.0)])
def test_every_look_is_as_long_as_in_training_or_as_the_footage(frames, fps):
    source = Placement(source=ramp(frames), fps=fps)
    looks = footage_clips(source, (80, 48), frames / fps, encode, 1)
    displayed = min(WINDOW_FRAMES, round(frames / fps * CAPTION_FPS))
    assert {look.shape[2] for look in looks} == {1 + -(-(displayed - 1) // 4)}
    assert len(looks) <= MAX_CLIPS


def test_looks_lie_in_order_from_the_start_to_the_end():
    looks = footage_clips(Placement(source=ramp(800), fps=8.0), (80, 48), 100.0, encode, 1)
    observed = [look.mean().item() for look in looks]
    assert observed == sorted(observed)
    assert len(looks) == MAX_CLIPS
    assert looks[0][0, 0, 0].mean() == pytest.approx(-1, abs=0.02)
    assert looks[-1][0, 0, -1].mean() == pytest.approx(1, abs=0.02)


def test_footage_that_is_skipped_is_not_looked_at():
    placement = Placement(source=ramp(32), fps=8.0, skip=2.0)
    (look,) = footage_clips(placement, (80, 48), 2.0, encode, 1)
    (whole,) = footage_clips(Placement(source=ramp(32)[16:], fps=8.0), (80, 48), 2.0, encode, 1)
    assert torch.equal(look, whole)


def test_parts_of_a_long_latent_cover_its_start_and_its_end():
    latent = torch.arange(50.0).view(1, 1, 50, 1, 1)
    parts = latent_clips(latent)
    assert {part.shape[2] for part in parts} == {WINDOW}
    assert len(parts) <= MAX_CLIPS
    assert parts[0][0, 0, 0] == 0
    assert parts[-1][0, 0, -1] == 49
    assert latent_clips(latent[:, :, :3])[0].shape[2] == 3


def test_moments_for_a_language_model_are_spread_and_small():
    source = Placement(source=ramp(80, 600, 1200), fps=8.0)
    frames = stills(source, (1200, 600), 10.0)
    assert frames.shape == (MAX_STILLS, 256, 512, 3)
    observed = frames.float().mean((1, 2, 3)).tolist()
    assert observed == sorted(set(observed))


def test_a_clip_is_captioned_by_the_look_that_is_surest(captioner):
    looks = list(torch.randn(4, 1, 16, 5, 8, 8, generator=torch.Generator().manual_seed(0)))
    alone = [caption(captioner, [look]) for look in looks]
    best = max(alone, key=lambda texts: texts.certainty)
    texts = caption(captioner, looks)
    assert (texts.long, texts.short) == (best.long, best.short)
    assert texts.certainty == pytest.approx(best.certainty, abs=1e-4)


def test_footage_that_is_unclear_is_named(captioner):
    unsure = copy.deepcopy(captioner)
    unsure.words.weight[UNCLEAR_WORD] = 50 * unsure.norm_text.bias.new_ones(32)
    unsure.norm_text.bias.fill_(1.0)
    texts = caption(unsure, [torch.randn(1, 16, 5, 8, 8)])
    assert texts.long == texts.short == UNCLEAR_MESSAGE
    assert texts.certainty < 0.01


def test_nothing_to_look_at_is_refused(captioner):
    with pytest.raises(SizeError, match="nothing to caption"):
        caption(captioner, [])


def test_a_captioner_comes_back_from_disk_as_it_was(captioner, tmp_path):
    save_captioner(captioner, tmp_path / "captioner.safetensors")
    back = load_captioner(tmp_path / "captioner.safetensors")
    assert back.vocabulary == captioner.vocabulary
    assert back.config == captioner.config
    assert torch.equal(back.pos_embed.weight, captioner.pos_embed.weight.half().float())
    latent = torch.randn(1, 16, 5, 8, 8)
    assert back.generate(latent, LONG_SIGN)[0].odds == pytest.approx(
        captioner.generate(latent, LONG_SIGN)[0].odds, abs=0.02
    )


def test_a_file_that_is_no_captioner_is_refused(tmp_path):
    write_tensors(
        tmp_path / "other.safetensors", {"words": torch.zeros(4, 32)}, {"format": "sora 1"}
    )
    with pytest.raises(WeightsError, match="no captioner"):
        load_captioner(tmp_path / "other.safetensors")
