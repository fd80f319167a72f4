"""LTX-2 samples video and sound together, and both preserve their known parts.

The pinned ComfyUI has no LTX-2; run this file with a newer one in its place.
"""

import json

import comfy.model_base
import comfy.nested_tensor
import comfy.samplers
import comfy.sd
import comfy_extras.nodes_lt
import pytest
import torch
from safetensors.torch import save_file
from sora_nodes.nodes.decode import SoraDecodeFrames, SoraDecodeVideo
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.guidance.sound_latent import (
    frames_beside,
    sound_layout,
    sound_mask,
    streams_from,
)
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas, Placement
from sora_nodes.sora_core.errors import ConfigError

from tests.nodes.test_host_node_inputs import apart
from tests.support.clips import random_frames

needs_ltx2 = pytest.mark.skipif(
    not hasattr(comfy.model_base, "LTXAV"), reason="this ComfyUI has no LTX-2"
)
SIZE = {"width": 64, "height": 64, "seconds": 25 / 8}
SIGMAS = torch.tensor([1.0, 0.6, 0.3, 0.0])


def clip(frames, seed=0):
    return random_frames(frames, seed, 64, 64)


@pytest.fixture
def ltx2(pack, tmp_path):
    from comfy.ldm.lightricks.av_model import LTXAVModel

    network = pack.built(LTXAVModel, pack.networks.LTX_2)
    path = tmp_path / "ltx2.safetensors"
    config = json.dumps({"transformer": pack.networks.LTX_2})
    save_file(pack.randomised(network, 5), path, {"config": config})
    model = comfy.sd.load_diffusion_model(str(path))
    words = [pack.conditioning(128, 0, False, i) for i in (1, 2)]
    return model, pack.TinyVAE(128, 8, 32), words


def with_sound(latent, sound, mask=None):
    nested = comfy.nested_tensor.NestedTensor
    masks = {}
    if "noise_mask" in latent:
        free = torch.ones_like(sound) if mask is None else mask
        masks["noise_mask"] = nested([latent["noise_mask"], free])
    return latent | {"samples": nested([latent["samples"], sound])} | masks


def encoded(canvas, vae):
    return SoraEncodeCanvas.execute(canvas, vae).args[0]


def sampled(model, words, latent, **settings):
    guider = SoraGuider.execute(model, *words, 3.0, 0.0, 1.0, 0.0, latent, **settings).args[0]
    noise = SoraNoise.execute(1).args[0]
    return SoraSample.execute(noise, guider, SIGMAS, latent, "euler").args[0]["samples"]


def test_sound_is_held_beside_held_frames_and_free_where_it_is_empty():
    video, mask = torch.randn(1, 4, 4, 2, 2), torch.ones(1, 1, 4, 2, 2)
    mask[:, :, :2] = 0  # 9 of 25 frames
    nested = comfy.nested_tensor.NestedTensor
    for sound, expected in ((torch.ones(1, 8, 25, 16), 9), (torch.zeros(1, 8, 25, 16), 0)):
        latents = nested([video, sound]), nested([mask, torch.ones_like(sound)])
        _, masks = streams_from(*latents, 8, False)
        held = masks[1][0, 0, :, 0] == 0
        assert held.tolist() == [i < expected for i in range(25)]


def test_a_hole_in_the_picture_leaves_its_sound():
    mask = torch.zeros(1, 1, 4, 2, 2)
    mask[..., 0] = 1
    assert not sound_mask(mask, torch.ones(1, 1, 25, 16), 8, False).any()


@pytest.mark.parametrize("ring", [False, True])
@pytest.mark.parametrize("sound_frames", [3, 25, 100])
def test_every_frame_of_sound_lies_beside_the_frames_during_which_it_is_heard(ring, sound_frames):
    beside = frames_beside(4, sound_frames, 8, ring)
    first = 8 if ring else 1
    for j, latent_frame in enumerate(beside):
        frame = (j + 0.5) / sound_frames * (first + 24)
        start = 0 if latent_frame == 0 else first + 8 * (latent_frame - 1)
        assert start <= frame < first + 8 * latent_frame


@pytest.mark.parametrize("shape", [(128, 8, 16), (16, 3, 7)])
def test_streams_come_back_from_their_joint_latent_in_any_order_of_frames(shape):
    channels, *bins = shape
    video, sound = torch.randn(1, channels, 4, 2, 3), torch.randn(1, bins[0], 27, bins[1])
    layout = sound_layout(comfy.nested_tensor.NestedTensor([video, sound]), 8, False)
    joint = layout.joined([video, sound], range(4))
    for mine, theirs in zip(layout.separated(joint, range(4)), (video, sound), strict=True):
        assert torch.equal(mine, theirs)
    order = [3, 0, 1]
    cut, heard = layout.separated(joint[:, :, order], order)
    beside = torch.tensor(layout.beside)
    numbers = [j for i in order for j in torch.nonzero(beside == i).flatten().tolist()]
    assert torch.equal(cut, video[:, :, order]) and torch.equal(heard, sound[:, :, numbers])
    packed, _ = layout.packed(joint[:, :, order], order)
    assert torch.equal(layout.unpacked(packed, order), joint[:, :, order])
    masks = torch.rand(1, 1, 4, 2, 3), torch.rand(1, 1, 27, 1).expand(-1, -1, -1, bins[1])
    joint_mask = layout.joined_masks(*masks)
    for mine, theirs in zip(layout.separated_masks(joint_mask, range(4)), masks, strict=True):
        assert torch.equal(mine, theirs)


@needs_ltx2
@pytest.mark.parametrize("known_sound", [True, False])
def test_video_and_sound_keep_what_is_known(ltx2, known_sound):
    model, vae, words = ltx2
    latent = encoded(edits.extend_forward(Canvas(**SIZE), clip(9)), vae)
    sound = torch.randn(1, 8, 25, 16) if known_sound else torch.zeros(1, 8, 25, 16)
    both = with_sound(latent, sound)
    times = []
    model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args: times.append(args[1])
    )
    video, heard = sampled(model, words, both).unbind()
    held = (latent["noise_mask"] == 0).expand_as(video)
    assert held.any() and torch.equal(video[held], latent["samples"][held])
    assert not (video[~held] == latent["samples"][~held]).any()
    assert heard.shape == sound.shape and heard.isfinite().all()
    frames = 9 if known_sound else 0  # of the sound: 9 of the 25 frames of the video
    assert torch.equal(heard[:, :, :frames], sound[:, :, :frames])
    assert not (heard[:, :, frames:] == sound[:, :, frames:]).any()
    for video_time, sound_time in times:
        assert (video_time == 0).any() and (video_time > 0).any()
        assert bool((sound_time == 0).any()) is known_sound


@needs_ltx2
def test_video_alone_is_sampled_too(ltx2):
    model, vae, words = ltx2
    latent = encoded(edits.extend_forward(Canvas(**SIZE), clip(9)), vae)
    video = sampled(model, words, latent)
    held = (latent["noise_mask"] == 0).expand_as(video)
    assert torch.equal(video[held], latent["samples"][held])


def calls_of(model):
    """Of each call of the network: the sizes of video and sound, their times, and named inputs."""
    calls = []

    def note(module, args, named):
        (video, sound), (video_time, sound_time) = args[0], args[1]
        calls.append((video.shape, sound.shape, video_time, sound_time, named))

    model.model.diffusion_model.register_forward_pre_hook(note, with_kwargs=True)
    return calls


LONG = {  # the canvas, settings, and latent frames of each call; a cut loop has two more
    "segments": (lambda: edits.extend_forward(Canvas(**SIZE), clip(9)), {"window": 17 / 8}, 3),
    "loop": (lambda: edits.loop(Canvas(**SIZE | {"seconds": 3.0}), clip(8)), {}, 5),
    "long loop": (lambda: edits.loop(Canvas(**SIZE | {"seconds": 4.0}), clip(8)),
                  {"window": 17 / 8}, 3),
    "footage scale": (lambda: edits.extend_forward(Canvas(**SIZE), clip(9)),
                      {"footage_scale": 2.0}, 4),
}  # fmt: skip


@needs_ltx2
@pytest.mark.parametrize("case", LONG)
def test_video_and_sound_are_cut_alike_in_segments_windows_and_loops(ltx2, case):
    model, vae, words = ltx2
    make, settings, frames = LONG[case]
    latent = encoded(make(), vae)
    seconds = latent["sora_canvas_latent"].canvas.size.frames
    both = with_sound(latent, torch.randn(1, 8, seconds, 16))
    calls = calls_of(model)
    video, heard = sampled(model, words, both, **settings).unbind()
    held = (latent["noise_mask"] == 0).expand_as(video)
    assert held.any() and torch.equal(video[held], latent["samples"][held])
    assert not (video[~held] == latent["samples"][~held]).any()
    still = (heard == both["samples"].unbind()[1]).all(1).all(-1)[0]
    assert 0 < still.sum() < len(still) and heard.isfinite().all()
    for video_shape, sound_shape, video_time, sound_time, _ in calls:
        assert video_shape[2] <= frames
        assert abs(sound_shape[2] - 8 * video_shape[2]) <= 7
        if video_time.numel() > len(video_time):
            assert video_time.shape[1] == video_shape[2] * video_shape[3] * video_shape[4]
            assert sound_time.shape[1] == sound_shape[2]


@needs_ltx2
def test_one_window_of_video_and_sound_is_the_input_of_the_hosts_guider(ltx2):
    model, vae, words = ltx2
    latent = encoded(edits.extend_forward(Canvas(**SIZE), clip(9)), vae)
    mask = torch.ones(1, 1, 25, 16)
    mask[:, :, :9] = 0
    both = with_sound(latent, torch.randn(1, 8, 25, 16), mask)
    ours = sampled(model, words, both)
    expected = by_the_hosts_guider(model, words, both)
    for mine, host in zip(ours.unbind(), expected.unbind(), strict=True):
        torch.testing.assert_close(mine, host, atol=2e-4, rtol=2e-4)


def all_inputs_of(model):
    """Of each call of the network: all tensors, times and named inputs, in order.

    The times of all tokens stand for the masks, which need no value for each channel.
    """
    calls, left_out = [], {"transformer_options", "denoise_mask", "audio_denoise_mask"}

    def note(module, args, named):
        beside = {name: named[name] for name in named.keys() - left_out}
        calls.append([[[part.clone() for part in parts] for parts in args[:2]], args[2:], beside])

    model.model.diffusion_model.register_forward_pre_hook(note, with_kwargs=True)
    return calls


def by_the_hosts_guider(model, words, latent):
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(*([[states, text | {"frame_rate": 8.0}]] for [[states, text]] in words))
    guider.set_cfg(3.0)
    noise = SoraNoise.execute(1).args[0]
    return SoraSample.execute(noise, guider, SIGMAS, latent, "euler").args[0]["samples"]


@needs_ltx2
@pytest.mark.parametrize("identity", [0.0, 3.0])
def test_a_reference_of_sound_reaches_each_call_as_in_the_hosts_guider(ltx2, identity):
    """With `identity` the host calls the network once more a step, without the reference."""
    model, vae, words = ltx2
    latent = encoded(edits.extend_forward(Canvas(**SIZE), clip(9)), vae)
    mask = torch.ones(1, 1, 25, 16)
    mask[:, :, :9] = 0
    both = with_sound(latent, torch.randn(1, 8, 25, 16), mask)
    voice = {"waveform": torch.randn(1, 2, 16000), "sample_rate": 16000}
    inputs = (model, *words, voice, SoundVAE(), identity, 0.0, 1.0)
    patched, *spoken = comfy_extras.nodes_lt.LTXVReferenceAudio.execute(*inputs).args
    calls = all_inputs_of(model)
    ours = sampled(patched, spoken, both)
    count = len(calls)
    expected = by_the_hosts_guider(patched, spoken, both)
    most = max(apart(*pair) for pair in zip(calls[:count], calls[count:], strict=True))
    print(f"identity {identity}: {count} calls, inputs differ by {most:.2g}")
    referring = ["ref_audio" in named for _, _, named in calls]
    assert most < 2e-4 and any(referring) and all(referring) is (identity == 0)
    for mine, host in zip(ours.unbind(), expected.unbind(), strict=True):
        torch.testing.assert_close(mine, host, atol=2e-4, rtol=2e-4)


@needs_ltx2
@pytest.mark.parametrize("case", ["segments", "loop", "long loop"])
def test_each_part_of_a_video_gets_the_whole_reference_of_sound(ltx2, case):
    model, vae, words = ltx2
    make, settings, _ = LONG[case]
    voice = {"waveform": torch.randn(1, 2, 16000), "sample_rate": 16000}
    inputs = (model, *words, voice, SoundVAE(), 0.0, 0.0, 1.0)
    patched, *spoken = comfy_extras.nodes_lt.LTXVReferenceAudio.execute(*inputs).args
    latent = encoded(make(), vae)
    seconds = latent["sora_canvas_latent"].canvas.size.frames
    calls = calls_of(model)
    sampled(patched, spoken, with_sound(latent, torch.randn(1, 8, seconds, 16)), **settings)
    assert calls and {named["ref_audio"]["tokens"].shape for *_, named in calls} == {(1, 25, 128)}


@needs_ltx2
@pytest.mark.parametrize("frames", [1, 9])
def test_pictures_in_place_are_the_footage_of_a_canvas(ltx2, frames):
    model, vae, words = ltx2
    canvas = Canvas(**SIZE).place(Placement(source=clip(frames), fps=8.0))
    latent, empty = encoded(canvas, vae), {"samples": torch.zeros(1, 128, 4, 2, 2)}
    node = comfy_extras.nodes_lt.LTXVImgToVideoInplace
    theirs = node.execute(vae, clip(frames).float() / 255, empty, 1.0).args[0]
    silence = torch.zeros(1, 8, 25, 16)
    calls = all_inputs_of(model)
    ours = sampled(model, words, with_sound(latent, silence))
    count = len(calls)
    expected = by_the_hosts_guider(model, words, with_sound(theirs, silence))
    most = max(apart(*pair) for pair in zip(calls[:count], calls[count:], strict=True))
    print(f"{frames} frames: inputs differ by {most:.2g}")
    assert most < 2e-4
    for mine, host in zip(ours.unbind(), expected.unbind(), strict=True):
        torch.testing.assert_close(mine, host, atol=2e-4, rtol=2e-4)


@needs_ltx2
def test_a_still_in_the_middle_is_a_guide_and_the_sound_stays(ltx2):
    model, vae, words = ltx2
    canvas = Canvas(**SIZE).place(Placement(source=clip(1), start=12 / 8, fps=8.0))
    latent = encoded(canvas, vae)
    calls = calls_of(model)
    video, heard = sampled(model, words, with_sound(latent, torch.zeros(1, 8, 25, 16))).unbind()
    assert video.shape == latent["samples"].shape and heard.shape[2] == 25
    assert not (video == latent["samples"]).all(1).any()
    for video_shape, *_, named in calls:
        assert video_shape[2] == 5
        assert named["keyframe_idxs"][0, 0, 0].flatten()[0] == 12


class SoundVAE(comfy.sd.VAE):
    """Means of the samples, 25 a second."""

    audio_sample_rate = 16000

    def __init__(self):
        pass  # the host's needs weights

    class first_stage_model:  # noqa: N801
        output_sample_rate = 16000
        num_of_latents_from_frames = staticmethod(lambda frames, rate: round(frames / rate * 25))

    def encode(self, waveform):
        means = waveform[:, : waveform.shape[1] // 640 * 640].unflatten(1, (-1, 640)).mean(2)
        return means.mT[:, :, :, None].repeat(1, 4, 1, 16)

    def decode(self, latent):
        return latent[:, :2, :, 0].repeat_interleave(640, dim=2).mT


def test_the_sound_of_footage_is_encoded_and_comes_back_decoded(pack, tmp_path):
    tone = torch.full((1, 16000 * 9 // 8), 0.5)
    placed = Placement(source=clip(9), fps=8.0, sound=(tone, 16000))
    latent = SoraEncodeCanvas.execute(
        Canvas(**SIZE).place(placed), pack.TinyVAE(128, 8, 32), SoundVAE()
    ).args[0]
    video, sound = latent["samples"].unbind()
    _, sound_held = latent["noise_mask"].unbind()
    assert video.shape[2] == 4 and sound.shape == (1, 8, round(25 / 8 * 25), 16)
    known = round(9 / 8 * 25)
    assert (sound_held[0, 0, :, 0] == 0).sum() == known
    assert (sound[:, :, : known - 1] == 0.5).all() and (sound[:, :, known + 1 :] == 0).all()
    decoded = SoraDecodeVideo.execute(
        latent, pack.TinyVAE(128, 8, 32), 8.0, 1, audio_vae=SoundVAE()
    ).args[0]
    heard = decoded.get_components().audio
    assert heard["waveform"].shape[-1] == pytest.approx(25 / 8 * heard["sample_rate"], rel=0.05)
    frames = SoraDecodeFrames.execute(latent, pack.TinyVAE(128, 8, 32)).args[0]
    assert frames.shape == (25, 64, 64, 3)


def test_an_empty_canvas_has_free_sound_of_its_length(pack):
    latent = SoraEncodeCanvas.execute(Canvas(**SIZE), pack.TinyVAE(128, 8, 32), SoundVAE()).args[0]
    assert "noise_mask" not in latent
    assert not latent["samples"].unbind()[1].any()


def test_other_streams_are_refused():
    nested = comfy.nested_tensor.NestedTensor([torch.zeros(1, 4, 2, 2, 2)] * 3)
    with pytest.raises(ConfigError, match="3 streams"):
        sound_layout(nested, 8, False)
