"""How well a tuned model reproduces its training clips: the measure, and the models it loads."""

import pytest
import torch

from sora_core.checkpoints.lora_file import write_lora
from sora_core.errors import ConfigError
from sora_core.measure.recall import (
    RecallSettings,
    clip_psnr,
    held_out_psnr,
    motion_correlation,
    recalled_clips,
    tuned_pipeline,
)
from sora_core.training.lora import add_lora
from tests.support.clips import captioned_clip, moving_frames, picture_file
from tests.support.plans import planned
from tests.support.tiny import tiny_transformer, write_tiny


def test_the_correlation_is_1_of_a_clip_with_itself_in_any_light():
    clip = moving_frames(1) // 2
    assert motion_correlation(clip, clip) == pytest.approx(1)
    assert motion_correlation(clip, clip + 20) == pytest.approx(1)


def test_a_still_or_another_motion_does_not_correlate():
    clip = moving_frames(1)
    assert motion_correlation(clip, clip[:1].expand(17, -1, -1, -1)) == 0
    assert motion_correlation(clip, moving_frames(1).flip(0)) < 0.99
    noise = torch.randint(0, 256, clip.shape, generator=torch.Generator().manual_seed(0))
    assert abs(motion_correlation(clip, noise.to(torch.uint8))) < 0.1


def test_the_background_alone_is_no_recall():
    first, second = moving_frames(1), moving_frames(1)
    second[:] = second.float().mean(0).to(torch.uint8)
    second += torch.randint(0, 3, second.shape).to(torch.uint8)
    assert motion_correlation(first, second) < 0.1


@pytest.mark.slow
def test_each_moving_clip_is_generated_in_its_size(tmp_path):
    model = write_tiny(tmp_path / "model")
    (tmp_path / "clips").mkdir()
    captioned_clip(tmp_path / "clips", "a.mp4", frames=5, width=48, height=80)
    picture_file(tmp_path / "clips" / "still.png")
    (tmp_path / "clips" / "still.txt").write_text("still")
    plan = planned(tmp_path / "clips", frames=5)
    settings = RecallSettings(steps=1)
    (one,) = recalled_clips(tuned_pipeline(model, None), plan, settings)
    assert one.true.shape == one.reconstructed.shape == one.generated.shape
    assert -1 <= one.by_model <= 1 and -1 <= one.by_autoencoder <= 1


def test_stills_alone_are_a_sentence(tmp_path):
    model = write_tiny(tmp_path / "model")
    picture_file(tmp_path / "still.png")
    (tmp_path / "still.txt").write_text("still")
    plan = planned(tmp_path, frames=5)
    with pytest.raises(ConfigError, match="nothing moves"):
        list(recalled_clips(tuned_pipeline(model, None), plan, RecallSettings()))


@pytest.mark.slow
def test_weights_are_a_lora_for_the_model_or_a_model(tmp_path):
    model = write_tiny(tmp_path / "model")
    tuned = add_lora(tiny_transformer(), 2, 2.0)
    for name, weight in tuned.named_parameters():
        if ".lora_B." in name:
            weight.data.fill_(0.1)
    write_lora(tmp_path / "lora.safetensors", dict(tuned.named_parameters()), 2, 2.0)
    plain = tuned_pipeline(model, None).transformer.state_dict()
    same = tuned_pipeline(model, model).transformer.state_dict()
    changed = tuned_pipeline(model, tmp_path / "lora.safetensors").transformer.state_dict()
    assert all(torch.equal(plain[name], same[name]) for name in plain)
    assert any(not torch.equal(plain[name], changed[name]) for name in plain)


def test_the_psnr_of_two_clips_is_that_of_the_mean_square_error():
    black = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    assert clip_psnr(black, black + 255) == pytest.approx(0)
    assert clip_psnr(black, black + 51) == pytest.approx(13.979, abs=1e-3)
    assert clip_psnr(black, black) > 100


@pytest.mark.slow
def test_the_autoencoder_is_measured_on_the_clips_held_out(tmp_path):
    (tmp_path / "clips").mkdir()
    for i in range(4):
        captioned_clip(tmp_path / "clips", f"{i}.mp4", seed=i, frames=5, width=32, height=32)
    plan = planned(tmp_path / "clips", frames=5)
    ratios = held_out_psnr(tuned_pipeline(write_tiny(tmp_path / "model"), None), plan)
    assert len(ratios) == len(plan.of_split("held-out")) == 1
    assert all(0 < ratio < 60 for ratio in ratios)
