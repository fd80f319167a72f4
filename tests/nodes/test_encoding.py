"""A video becomes the latent of all its frames, by parts, and comes back with size, rate and sound.

Axes: c channels, t frames, y rows, x columns.
"""

import gc
import re
from fractions import Fraction
from pathlib import Path

import comfy.ldm.wan.vae
import comfy.ldm.wan.vae2_2
import comfy.model_management as devices
import comfy.sd
import folder_paths
import pytest
import sora_nodes
import torch
from comfy_api.latest import InputImpl, Types
from sora_nodes.nodes.decode import SoraDecodeVideo
from sora_nodes.nodes.encode import SoraEncodeCanvas, SoraEncodeVideo
from sora_nodes.nodes.host import paths
from sora_nodes.nodes.host.latents import canvas_of
from sora_nodes.nodes.host.models.vae import load_vae
from sora_nodes.nodes.host.vae import temporal_tiling
from sora_nodes.nodes.host.vae.encode import encode_strategy
from sora_nodes.nodes.host.vae.temporal_tiling import encoded_at_once
from sora_nodes.nodes.host.vae.wan_streaming import encodes_streaming
from sora_nodes.sora_core.canvas.canvas import Canvas, Placement
from sora_nodes.sora_core.canvas.rasterize import placed_frames
from sora_nodes.sora_core.checkpoints.checkpoint import read_config
from sora_nodes.sora_core.errors import SizeError, SoraError, WeightsError
from sora_nodes.sora_core.shapes import Size
from sora_nodes.sora_core.video.audio import Audio
from sora_nodes.sora_core.video.audio_reader import probe_sound, read_sound
from sora_nodes.sora_core.video.frames import video_from_frames
from sora_nodes.sora_core.video.probe import duration_of, probe
from sora_nodes.sora_core.video.reader import read_frames
from sora_nodes.sora_core.video.writer import write_video

from sora_core.checkpoints.safetensors_io import read_tensors
from tests.support.tiny import write_tiny

pytestmark = pytest.mark.usefixtures("quick_collection")

TIMES = [False, True, True]  # which of Wan's stages halve the time


@pytest.fixture(autouse=True)
def temp(tmp_path):
    before = folder_paths.get_temp_directory()
    folder_paths.set_temp_directory(str(tmp_path / "temp"))
    with torch.inference_mode():  # as the host runs nodes
        yield tmp_path / "temp"
    folder_paths.set_temp_directory(before)


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    path = write_tiny(tmp_path_factory.mktemp("models"))
    return load_vae(path, read_config(path))


@pytest.fixture(scope="module")
def wan():
    return comfy.sd.VAE(
        sd=weights(comfy.ldm.wan.vae.WanVAE(dim=8, z_dim=16, temperal_downsample=TIMES))
    )


@pytest.fixture(scope="module")
def wan22():
    """Small, as no file can be: the host gives Wan 2.2's always its published size."""
    network = comfy.ldm.wan.vae2_2.WanVAE(dim=8, dec_dim=8, z_dim=48, temperal_downsample=TIMES)
    network.load_state_dict(weights(network))
    return around(network, 48, 16)


def around(network, channels, side):
    """A VAE of the host that holds `network`, four frames to a latent frame."""
    vae = comfy.sd.VAE(
        sd=weights(comfy.ldm.wan.vae.WanVAE(dim=8, z_dim=16, temperal_downsample=TIMES))
    )
    cpu = torch.device("cpu")
    vae.first_stage_model, vae.latent_channels = network.eval(), channels
    vae.patcher = comfy.model_patcher.ModelPatcher(network, load_device=cpu, offload_device=cpu)
    vae.upscale_ratio = vae.upscale_ratio[0], side, side
    vae.downscale_ratio = vae.downscale_ratio[0], side, side
    return vae


def weights(network):
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(value.shape, generator=generator) * value[0].numel() ** -0.5
        if value.ndim > 1
        else torch.full(value.shape, float(name.endswith("gamma")))
        for name, value in network.state_dict().items()
    }


def clip(frames, width=48, height=32):
    generator = torch.Generator().manual_seed(frames)
    coarse = torch.rand(1, 3, frames, 3, 4, generator=generator)
    video = torch.nn.functional.interpolate(coarse, (frames, height, width), mode="trilinear")
    return video[0].mul(255).to(torch.uint8).permute(1, 2, 3, 0).contiguous()


def file(folder, frames, fps=8.0, audio=None):
    path = write_video(folder / "clip.mkv", [frames], fps, codec="ffv1", audio=audio)
    return InputImpl.VideoFromFile(str(path))


def latent_of(video, vae, **inputs):
    return SoraEncodeVideo.execute(video, vae, **inputs).args[0]


def displayed(latent):
    """The frames that a latent was made of."""
    canvas = canvas_of(latent)
    return torch.cat(list(placed_frames(canvas, canvas.placements[0])))


def parts(video, *lengths):
    return video.split(list(lengths), dim=2)


@pytest.mark.parametrize("frames", [1, 2, 21, 40])
def test_a_video_read_by_parts_is_the_video_encoded_at_once(tmp_path, vae, frames):
    latent = latent_of(file(tmp_path, clip(frames)), vae)
    whole = encoded_at_once(vae, video_from_frames(clip(frames))[None])
    torch.testing.assert_close(latent["samples"], whole, atol=1e-4, rtol=0)
    assert "noise_mask" not in latent


@pytest.mark.parametrize(("width", "height", "fps"), [(47, 33, 23.976), (48, 32, 12.5)])
def test_size_rate_length_and_sound_come_back_exactly(tmp_path, vae, width, height, fps):
    sound = Audio(torch.sin(torch.arange(22_050 * 2) / 20)[None].expand(2, -1), 22_050)
    video = file(tmp_path, clip(18, width, height), fps, sound)
    latent = latent_of(video, vae)
    result = SoraDecodeVideo.execute(latent, vae, 0.0, 1).args[0].get_stream_source()
    before, after = probe(tmp_path / "clip.mkv"), probe(result)
    assert (after.width, after.height, after.fps) == (before.width, before.height, before.fps)
    assert round(duration_of(result) * after.fps) == 18
    assert probe_sound(result) == probe_sound(tmp_path / "clip.mkv")


@pytest.mark.parametrize(
    ("inputs", "count", "fps"),
    [
        ({}, 33, 8),
        ({"start": 1.0, "seconds": 2.0}, 16, 8),
        ({"stride": 3}, 11, 8 / 3),
        ({"stride": 2, "start": 1.0, "seconds": 3.0}, 12, 4),
        ({"fps": 4.0, "stride": 2}, 8, 2),
        ({"fps": 16.0, "start": 0.5, "seconds": 0.5}, 8, 16),
        ({"seconds": 99.0}, 33, 8),
    ],
)
def test_each_moment_asked_for_shows_the_frame_nearest_to_it(tmp_path, vae, inputs, count, fps):
    counted = torch.arange(33).mul(7).to(torch.uint8)[:, None, None, None].expand(-1, 32, 32, 3)
    latent = latent_of(file(tmp_path, counted), vae, **inputs)
    found = displayed(latent)[:, 0, 0, 0].float() / 7
    asked = (inputs.get("start", 0.0) + torch.arange(count) / fps) * 8
    assert len(found) == count == canvas_of(latent).size.frames
    assert (found - asked).abs().max() <= 0.501


@pytest.mark.parametrize(
    ("inputs", "size"),
    [
        ({"width": 24}, (24, 16)),
        ({"height": 64}, (96, 64)),
        ({"width": 32, "height": 32}, (32, 32)),
        ({}, (48, 32)),
    ],
)
def test_a_side_that_is_not_given_follows_from_the_other(tmp_path, vae, inputs, size):
    canvas = canvas_of(latent_of(file(tmp_path, clip(5)), vae, **inputs))
    assert (canvas.width, canvas.height) == size


def test_what_pad_leaves_beside_the_footage_is_open(tmp_path, vae):
    video = file(tmp_path, clip(5))
    padded = latent_of(video, vae, width=48, height=64, fit="pad")
    assert padded["noise_mask"][0, 0, 0, :, 0].tolist() == [1, 1, 0, 0, 0, 0, 1, 1]
    assert "noise_mask" not in latent_of(video, vae, width=48, height=64, fit="crop")


def test_pictures_and_components_are_encoded_as_a_file_is(tmp_path, vae):
    images = clip(9).float().div(255)
    components = InputImpl.VideoFromComponents(
        Types.VideoComponents(images=images, audio=None, frame_rate=Fraction(8))
    )
    expected = latent_of(file(tmp_path, clip(9)), vae)["samples"]
    for video in (images, components):
        assert torch.equal(latent_of(video, vae)["samples"], expected)


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"start": 4.2}, "choose less"),
        ({"fps": 240.0, "seconds": 16.0}, "at most 3600"),
        ({"width": 8}, "width 8"),
    ],
)
def test_what_cannot_be_encoded_is_refused(tmp_path, vae, inputs, text):
    frames = clip(33) if "fps" not in inputs else clip(1).expand(128, -1, -1, -1)
    with pytest.raises(SoraError, match=text):
        latent_of(file(tmp_path, frames), vae, **inputs)


@pytest.mark.parametrize("frames", [1, 4, 9, 14])
@pytest.mark.parametrize("name", ["wan", "wan22"])
def test_wans_vaes_carry_on_exactly(request, name, frames):
    vae = request.getfixturevalue(name)
    video = video_from_frames(clip(frames, 32, 32))[None]
    assert encodes_streaming(vae)
    latent = torch.cat(
        list(encode_strategy(vae, Size(32, 32, frames)).encode(video.split(3, dim=2))), dim=2
    )
    torch.testing.assert_close(latent, encoded_at_once(vae, video), atol=1e-5, rtol=0)


def test_a_wan_whose_parts_are_not_its_whole_gets_the_whole(wan, monkeypatch):
    network = wan.first_stage_model
    monkeypatch.setattr(network, "encode", lambda x: network.encoder(x)[:, :16, ::4])
    assert not encodes_streaming(wan)
    assert encode_strategy(wan, Size(32, 32, 9)).summary == "all at once"


class Means(torch.nn.Module):
    """Means over groups of 4 frames and 8x8 pixels: a latent frame depends on no other."""

    def encode(self, video):
        first, later = video[:, :, :1], video[:, :, 1:]
        pool = torch.nn.functional.avg_pool3d
        return torch.cat([pool(first, (1, 8, 8)), pool(later, (4, 8, 8))], dim=2)


@pytest.fixture
def means():
    return around(Means(), 3, 8)


@pytest.mark.parametrize("frames", [20, 21, 22, 37, 38, 60])
def test_another_vae_gets_overlapping_parts_that_are_its_whole(means, frames, monkeypatch):
    monkeypatch.setattr(temporal_tiling, "AT_ONCE", 12 * 32 * 32 * 25)
    video = video_from_frames(clip(frames, 32, 32))[None]
    chosen = encode_strategy(means, Size(32, 32, frames))
    latent = torch.cat(list(chosen.encode(video.split(7, dim=2))), dim=2)
    torch.testing.assert_close(latent, encoded_at_once(means, video), atol=1e-6, rtol=0)
    assert (chosen.summary == "all at once") == (frames <= 25)
    assert ("at most 0.0% of" in chosen.summary) == (frames > 25)


@pytest.mark.parametrize("frames", [4, 9, 18])
def test_pixels_that_are_copied_once_give_the_bits_of_the_hosts_own_encoding(means, frames):
    frames_to_encode, process = clip(frames, 32, 32), means.process_input
    missing = (1 - frames) % 4
    filled = torch.cat([frames_to_encode, frames_to_encode[-1:].expand(missing, -1, -1, -1)])
    images = video_from_frames(filled).movedim(0, -1).add(1).div(2)
    own = encoded_at_once(means, video_from_frames(frames_to_encode)[None])
    assert torch.equal(own, means.encode(images))
    assert means.process_input is process


class Sums(Means):
    """Running means: a latent frame depends on all before it."""

    def encode(self, video):
        frames = super().encode(video)
        return frames.cumsum(dim=2) / torch.arange(1, frames.shape[2] + 1)[:, None, None]


def test_parts_that_are_not_the_whole_say_how_far_they_are_apart(monkeypatch):
    monkeypatch.setattr(temporal_tiling, "AT_ONCE", 12 * 32 * 32 * 25)
    vae, video = around(Sums(), 3, 8), video_from_frames(clip(60, 32, 32))[None]
    chosen = encode_strategy(vae, Size(32, 32, 60))
    for _ in chosen.encode([video]):
        pass
    assert float(re.search(r"at most (.*)% of", chosen.summary)[1]) > 1


def test_a_vae_without_the_memory_for_any_part_is_refused(means, monkeypatch):
    monkeypatch.setattr(temporal_tiling, "AT_ONCE", 12 * 32 * 32 * 20)
    with pytest.raises(SizeError, match="choose fewer pixels"):
        encode_strategy(means, Size(32, 32, 60))


@pytest.mark.parametrize("kind", ["video", "canvas"])
def test_a_large_latent_lies_in_a_file_that_goes_with_it(tmp_path, temp, vae, kind, monkeypatch):
    video = file(tmp_path, clip(17))
    small = latent_of(video, vae)["samples"]
    assert not list(temp.glob("*.safetensors"))
    monkeypatch.setattr(paths, "LARGE_BYTES", 100)
    if kind == "video":
        latent = latent_of(video, vae)
    else:
        canvas = Canvas(width=48, height=32, seconds=17 / 8)
        placed = canvas.place(Placement(source=tmp_path / "clip.mkv"))
        latent = SoraEncodeCanvas.execute(placed, vae).args[0]
    (stands,) = temp.glob("*.safetensors")
    assert torch.equal(latent["samples"], small)
    assert torch.equal(read_tensors(stands)["latent_tensor"], small)
    part = latent["samples"][:, :, 1:]
    latent.clear()
    gc.collect()
    assert stands.exists()  # a view still needs it
    assert torch.equal(part, small[:, :, 1:])
    del part
    gc.collect()
    assert not list(temp.iterdir())


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path, temp, vae, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    video = file(tmp_path, clip(5))
    monkeypatch.setattr(paths, "LARGE_BYTES", 100)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WeightsError, match="No space left"):
        latent_of(video, vae)
    assert not list(temp.iterdir())


def test_a_cancelled_encoding_leaves_no_file(tmp_path, temp, vae, monkeypatch):
    video = file(tmp_path, clip(33))
    monkeypatch.setattr(paths, "LARGE_BYTES", 100)
    checks = iter(range(2))

    def cancelled():
        if next(checks, None) is None:
            assert list(temp.iterdir())
            raise devices.InterruptProcessingException

    monkeypatch.setattr(devices, "throw_exception_if_processing_interrupted", cancelled)
    with pytest.raises(devices.InterruptProcessingException) as stopped:
        latent_of(video, vae)
    del stopped
    gc.collect()
    assert not list(temp.iterdir())


@pytest.mark.parametrize("kind", ["ours", "wan"])
def test_a_file_may_be_deleted_between_encoding_and_decoding(tmp_path, vae, wan, kind):
    sound = Audio(torch.sin(torch.arange(22_050 * 2) / 20)[None], 22_050)
    canvas = Canvas(width=32, height=32, seconds=17 / 8, fps=8)
    path = write_video(tmp_path / "gone.mkv", [clip(4)], 8, codec="ffv1", audio=sound)
    canvas = canvas.place(Placement(source=path, start=13 / 8, fit="crop"))
    model = {"ours": vae, "wan": wan}[kind]
    latent = SoraEncodeCanvas.execute(canvas, model).args[0]

    def decoded():
        result = SoraDecodeVideo.execute(latent, model, 0.0, 1, codec="ffv1", smooth_joins="on")
        assert "morph into it" in result.ui.as_dict()["text"][0]
        return result.args[0].get_stream_source()

    before = decoded()
    path.unlink()
    after = decoded()
    first, second = (torch.cat(list(read_frames(each))) for each in (before, after))
    assert torch.equal(first, second) and len(first) == 17
    heard, again = (torch.cat(list(read_sound(each)), dim=1) for each in (before, after))
    assert torch.equal(heard, again) and heard.abs().max() > 0.5


def test_one_module_knows_the_keys_of_a_latent():
    raw = re.compile(r"[\"']sora_(canvas|compression|open|canvas_latent)[\"']")
    package = Path(sora_nodes.__file__).parent / "nodes"
    files = [each.name for each in package.rglob("*.py") if raw.search(each.read_text())]
    assert files == ["latents.py"]
