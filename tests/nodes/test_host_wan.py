"""The trained Wan is a file that the host's loader takes, and computes what training saw."""

import comfy.model_base
import comfy.sd
import pytest
import torch

from sora_core.shapes import Size
from sora_core.training.distributed import Ranks
from sora_core.training.latent_dataset import LatentShard
from tools.host_wan.network import (
    I2V_CHANNELS,
    LATENT_CHANNELS,
    TIMESTEPS,
    WAN_TEXT_WIDTH,
    WanSettings,
    build_wan,
    read_wan,
    text_input,
    widen_to_footage,
    write_wan,
)
from tools.host_wan.task import WanTask, draw_open, footage_channels

SMALL = WanSettings(width=128, depth=1)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def random_wan(channels=LATENT_CHANNELS):
    network = build_wan(WanSettings(128, 1, channels))
    for weight in network.parameters():
        weight.data.add_(0.05 * torch.randn(weight.shape))
    return network.eval()


def shard(clips=3, frames=5):
    generator = torch.Generator().manual_seed(1)
    return LatentShard(
        latents=torch.randn(clips, 16, frames, 8, 8, generator=generator).half(),
        coverage=torch.zeros(clips, 2, frames, 4, 4, dtype=torch.uint8),
        kinds=torch.full((clips, 2, 2), -1),
        words=torch.randn(clips * 4, 384, generator=generator).half(),
        lengths=torch.full((clips, 1), 4),
        starts=torch.arange(0, clips * 4, 4)[:, None],
    )


@pytest.mark.parametrize("channels", [LATENT_CHANNELS, I2V_CHANNELS])
def test_the_host_loads_the_file_as_wan_and_predicts_what_the_trained_network_does(
    tmp_path, channels
):
    network = random_wan(channels)
    write_wan(tmp_path / "wan.safetensors", network, WanSettings(128, 1, channels), {})
    patcher = comfy.sd.load_diffusion_model(str(tmp_path / "wan.safetensors"))
    assert type(patcher.model) is comfy.model_base.WAN21
    x, states = torch.randn(1, channels, 3, 8, 8), torch.randn(7, 384)
    wide, narrow = (text_input(states, width)[None] for width in (WAN_TEXT_WIDTH, 384))
    times = torch.full((1,), 0.4 * TIMESTEPS)
    own, theirs = network(x, times, narrow), patcher.model.diffusion_model(x, times, wide)
    assert own.abs().max() > 0.1
    assert torch.allclose(own, theirs, atol=1e-5)


def test_a_written_network_comes_back_with_its_facts(tmp_path):
    network = random_wan()
    facts = {"autoencoder": "sora-mini.safetensors", "commit": "abc"}
    write_wan(tmp_path / "wan.safetensors", network, SMALL, facts)
    state, read = read_wan(tmp_path / "wan.safetensors")
    assert read == facts | {"width": 128, "depth": 1, "channels": LATENT_CHANNELS}
    assert all(torch.equal(state[name], weight) for name, weight in network.state_dict().items())


def test_the_footage_channels_of_training_are_those_that_the_host_gives_the_network(tmp_path):
    write_wan(
        tmp_path / "wan.safetensors",
        random_wan(I2V_CHANNELS),
        WanSettings(128, 1, I2V_CHANNELS),
        {},
    )
    model = comfy.sd.load_diffusion_model(str(tmp_path / "wan.safetensors")).model
    clean, grey = torch.randn(2, 1, 16, 5, 8, 8)
    mask = torch.ones(1, 1, 5, 8, 8)
    mask[:, :, :2] = 0
    theirs = model.concat_cond(
        noise=clean,
        device=clean.device,
        concat_latent_image=torch.where(mask > 0, grey, clean),
        concat_mask=mask,
    )
    assert torch.allclose(footage_channels(clean, mask, grey), theirs, atol=1e-6)


def test_a_network_widened_to_footage_begins_as_the_one_without():
    network, wide = random_wan(), build_wan(WanSettings(128, 1, I2V_CHANNELS))
    wide.load_state_dict(widen_to_footage(network.state_dict(), I2V_CHANNELS))
    x, text = torch.randn(2, 36, 5, 8, 8), text_input(torch.randn(7, 384)).expand(2, -1, -1)
    times = torch.full((2,), 500.0)
    assert torch.allclose(wide(x, times, text), network(x[:, :16], times, text), atol=1e-5)


def test_text_to_video_is_trained_with_one_noise_level_a_clip_and_no_footage():
    task = WanTask(build_wan(SMALL), None, [shard()], shard(), ["a"], torch.zeros(2, 384), 4, 0)
    batch = task.draw(0, Ranks())
    assert batch.sigma.shape == (4, 1, 1, 1, 1) and batch.footage is None
    assert batch.inputs.shape[1] == LATENT_CHANNELS
    assert torch.equal(task.draw(0, Ranks()).noise, batch.noise)
    assert not torch.equal(task.draw(1, Ranks()).noise, batch.noise)


def test_masks_of_training_leave_something_open_and_often_know_the_first_frame():
    generator = torch.Generator().manual_seed(0)
    masks = [draw_open((5, 8, 8), generator)[0, 0, :, 0, 0] for _ in range(200)]
    assert all(mask.any() for mask in masks)
    assert 0.6 < sum(float(mask[0] == 0) for mask in masks) / 200 < 0.95


@pytest.mark.slow
def test_training_lowers_the_loss_of_a_clip():
    with torch.inference_mode(False):
        task = WanTask(
            build_wan(SMALL), None, [shard(1)], shard(1), ["a"], torch.zeros(2, 384), 4, 0
        )
        optimizer = torch.optim.AdamW(task.model.parameters(), 3e-3)
        losses = []
        for step in range(12):
            loss, _ = task.loss(step % 2, Ranks())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_the_test_bench_is_as_large_as_the_clips_that_are_measured():
    from tools.host_wan.training import CLIPS, TEST

    assert TEST.size == CLIPS[0].size == Size(64, 64, 17)
    assert TEST.held_out
