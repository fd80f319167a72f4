"""Wan's channels and VACE's context are those of the host's own nodes, frame by frame."""

import comfy.sd
import comfy_extras.nodes_wan
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.guidance.conditioning_support import conditioning_support
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas, Placement

from tests.support.clips import random_frames
from tests.support.network_calls import sampled

SIDE, FRAMES, FPS = 32, 25, 8
SIZE = {"width": SIDE, "height": SIDE, "seconds": FRAMES / FPS, "fps": FPS}
SIGMAS = torch.tensor([1.0, 0.6, 0.0])
GREY_ROUNDING = 1e-4


def clip(frames, seed=0):
    return random_frames(frames, seed, SIDE, SIDE)


def images(frames):
    return frames.float() / 255


def still(canvas, picture, frame):
    return canvas.place(Placement(source=picture, start=frame / FPS, fps=FPS))


@pytest.fixture
def remembering(pack):
    """A VAE whose latent frames depend on all frames before, as Wan's do."""

    class Remembering(pack.TinyAutoencoder):
        def encode(self, video):
            frames = super().encode(video).unbind(2)
            latent = [frames[0]]
            for frame in frames[1:]:
                latent.append(frame + 0.5 * latent[-1])
            return torch.stack(latent, dim=2)

    def make(channels, time, side):
        vae = pack.TinyVAE(channels, time, side)
        vae.first_stage_model = Remembering(channels, time, side).eval()
        return vae

    return make


@pytest.fixture
def wan(pack, folder, remembering):
    def load(name):
        model = comfy.sd.load_diffusion_model(str(folder / f"{name}_tiny.safetensors"))
        words = [pack.conditioning(4096, 0, False, i) for i in (1, 2)]
        return model, remembering(16, 4, 8), words

    return load


def beside_the_noise(args, named):
    """What the network gets beside the noisy latent: channels, or the context of VACE."""
    return args[0][:, 16:] if "vace_context" not in named else named["vace_context"][:, 0]


def channels_of(model, words, latent, **settings):
    """The result, and what the network gets beside the noisy latent at each call."""
    return sampled(model, words, latent, SIGMAS, beside_the_noise, **settings)


FIRST_AND_LAST = {  # the canvas, and what the host's node gets: start and end images
    "first": (lambda c: edits.image_to_video(c, clip(1)), clip(1), None),
    "last": (lambda c: still(c, clip(1, 1), FRAMES - 1), None, clip(1, 1)),
    "first and last": (
        lambda c: still(edits.image_to_video(c, clip(1)), clip(1, 1), FRAMES - 1),
        clip(1),
        clip(1, 1),
    ),
    "start of six frames": (lambda c: edits.extend_forward(c, clip(6)), clip(6), None),
    "end of seven frames": (lambda c: still(c, clip(7, 2), FRAMES - 7), None, clip(7, 2)),
    "connect": (
        lambda c: still(edits.extend_forward(c, clip(9)), clip(8, 3), FRAMES - 8),
        clip(9),
        clip(8, 3),
    ),
}


@pytest.mark.parametrize("case", FIRST_AND_LAST)
def test_channels_and_their_mask_are_those_of_the_hosts_first_and_last_frame_node(wan, case):
    model, vae, words = wan("wan21_i2v")
    make, start, end = FIRST_AND_LAST[case]
    latent = SoraEncodeCanvas.execute(make(Canvas(**SIZE)), vae).args[0]
    result, calls = channels_of(model, words, latent)
    *theirs, empty = comfy_extras.nodes_wan.WanFirstLastFrameToVideo.execute(
        *words,
        vae,
        SIDE,
        SIDE,
        FRAMES,
        1,
        start_image=None if start is None else images(start),
        end_image=None if end is None else images(end),
    ).args
    _, expected = channels_of(model, theirs, empty)
    for ours, host in zip(calls, expected, strict=True):
        assert torch.equal(ours[:, :4], host[:, :4])
        torch.testing.assert_close(ours, host, atol=GREY_ROUNDING, rtol=GREY_ROUNDING)
    whole = (latent["noise_mask"] == 0).expand_as(result)
    whole = whole & (calls[0][:, :4] == 1).all(1, keepdim=True)
    assert torch.equal(result[whole], latent["samples"][whole])
    assert not (result[~whole] == latent["samples"][~whole]).any()


def test_a_still_in_the_middle_marks_one_frame_and_freezes_none(wan):
    model, vae, words = wan("wan21_i2v")
    latent = SoraEncodeCanvas.execute(still(Canvas(**SIZE), clip(1), 10), vae).args[0]
    result, calls = channels_of(model, words, latent)
    marks = calls[0][0, :4, :, 0, 0]
    assert marks.sum() == 1 and marks[1, 3] == 1  # frames 9 to 12 are latent frame 3
    assert not (result == latent["samples"]).all(1).any()


def test_parts_of_a_long_video_mark_the_frames_before_them(wan):
    model, vae, words = wan("wan21_i2v")
    canvas = still(edits.extend_forward(Canvas(**SIZE), clip(9)), clip(1, 1), FRAMES - 1)
    latent = SoraEncodeCanvas.execute(canvas, vae).args[0]
    result, calls = channels_of(model, words, latent, window=17 / FPS, resume=False)
    steps = len(SIGMAS) - 1
    first, *later = (calls[i * steps][0, :4, :, 0, 0] for i in range(len(calls) // steps))
    assert first.tolist() == [[1, 1, 1, 0]] * 4
    assert [marks.shape[1] for marks in later] == [5] * len(later)
    # The first latent frame of the video leads, then those that are finished.
    assert later[0].tolist() == [[1, 1, 1, 0, 0]] * 4
    last = later[-1]
    assert last[:, :-1].all() and last[:, -1].tolist() == [0, 0, 0, 1]
    lead = model.model.process_latent_in(latent["samples"])[:, :, 0]
    for call in calls[steps:]:
        torch.testing.assert_close(call[:1, 4:, 0], lead, atol=1e-5, rtol=1e-5)
    held = (latent["noise_mask"] == 0).expand_as(result)[:, :, :3]
    assert torch.equal(result[:, :, :3][held], latent["samples"][:, :, :3][held])


VACE_PLACED = {
    "last": (lambda c: still(c, clip(1, 1), FRAMES - 1), [(FRAMES - 1, clip(1, 1))]),
    "middle": (lambda c: still(c, clip(1, 1), 10), [(10, clip(1, 1))]),
    "backward": (lambda c: still(c, clip(8, 1), FRAMES - 8), [(FRAMES - 8, clip(8, 1))]),
    "connect": (
        lambda c: still(edits.extend_forward(c, clip(9)), clip(8, 1), FRAMES - 8),
        [(0, clip(9)), (FRAMES - 8, clip(8, 1))],
    ),
}


@pytest.mark.parametrize("case", VACE_PLACED)
def test_the_context_of_vace_is_that_of_the_hosts_node(wan, case):
    model, vae, words = wan("wan21_vace")
    make, placed = VACE_PLACED[case]
    latent = SoraEncodeCanvas.execute(make(Canvas(**SIZE)), vae).args[0]
    _, calls = channels_of(model, words, latent)
    video, mask = torch.full((FRAMES, SIDE, SIDE, 3), 0.5), torch.ones(FRAMES, SIDE, SIDE)
    for first, frames in placed:
        video[first : first + len(frames)] = images(frames)
        mask[first : first + len(frames)] = 0
    *theirs, empty, _ = comfy_extras.nodes_wan.WanVaceToVideo.execute(
        *words, vae, SIDE, SIDE, FRAMES, 1, 1.0, control_video=video, control_masks=mask
    ).args
    _, expected = channels_of(model, theirs, empty)
    for ours, host in zip(calls, expected, strict=True):
        assert torch.equal(ours[:, 32:], host[:, 32:])
        torch.testing.assert_close(ours, host, atol=GREY_ROUNDING, rtol=GREY_ROUNDING)


def test_a_mask_of_single_pixels_reaches_vace(wan):
    model, vae, words = wan("wan21_vace")
    hole = torch.zeros(1, SIDE, SIDE)
    hole[:, :5, 3:9] = 1
    latent = SoraEncodeCanvas.execute(edits.inpaint(Canvas(**SIZE), clip(FRAMES), hole), vae)
    _, calls = channels_of(model, words, latent.args[0])
    marks = calls[0][0, 32:].reshape(8, 8, -1, 4, 4).permute(2, 3, 0, 4, 1)
    assert torch.equal(marks.reshape(-1, SIDE, SIDE)[:1], hole)


def test_capabilities_are_found_by_trying(wan):
    assert conditioning_support(wan("wan21_i2v")[0].model).by_frame
    assert not conditioning_support(wan("wan21_t2v")[0].model).by_frame
