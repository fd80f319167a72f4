"""A still on LTX is a guide as the host's LTXVAddGuide makes it, and freezes no latent frame."""

import comfy.sd
import comfy_extras.nodes_lt
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.guidance.guide_frames import takes_guides
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas, Placement

from tests.support.clips import random_frames
from tests.support.network_calls import sampled

SIDE, FRAMES, FPS = 64, 33, 8
SIZE = {"width": SIDE, "height": SIDE, "seconds": FRAMES / FPS, "fps": FPS}
SIGMAS = torch.tensor([1.0, 0.6, 0.3, 0.0])


def clip(frames, seed=0):
    return random_frames(frames, seed, SIDE, SIDE)


def place(canvas, footage, frame):
    return canvas.place(Placement(source=footage, start=frame / FPS, fps=FPS))


@pytest.fixture
def ltxv(pack, folder):
    model = comfy.sd.load_diffusion_model(str(folder / "ltxv_tiny.safetensors"))
    return model, pack.TinyVAE(128, 8, 32), [pack.conditioning(64, 0, True, i) for i in (1, 2)]


def network_calls(model, words, latent, **settings):
    """The result, and input, times and positions of guides of each call of the network."""
    return sampled(
        model,
        words,
        latent,
        SIGMAS,
        lambda args, named: (args[0], args[1], named.get("keyframe_idxs")),
        **settings,
    )


@pytest.mark.parametrize("frame", [4, 12, 16, FRAMES - 1])
def test_a_still_is_a_guide_as_the_hosts_is(ltxv, frame):
    model, vae, words = ltxv
    latent = SoraEncodeCanvas.execute(place(Canvas(**SIZE), clip(1), frame), vae).args[0]
    result, calls = network_calls(model, words, latent)
    empty = {"samples": torch.zeros_like(latent["samples"])}
    *theirs, guided = comfy_extras.nodes_lt.LTXVAddGuide.execute(
        *words, vae, empty, clip(1).float() / 255, frame, 1.0
    ).args
    for cond in theirs:
        cond[0][1]["frame_rate"] = float(FPS)
    _, expected = network_calls(model, theirs, guided)
    assert len(calls) == len(expected) == len(SIGMAS) - 1
    for (x, times, places), (host_x, host_times, host_places) in zip(calls, expected, strict=True):
        assert x.shape == host_x.shape and x.shape[2] == latent["samples"].shape[2] + 1
        torch.testing.assert_close(x[:, :, -1], host_x[:, :, -1], atol=1e-5, rtol=1e-5)
        assert torch.equal(times[:, -4:], host_times[:, -4:]) and not times[:, -4:].any()
        assert (times[:, :-4] > 0).all() and torch.equal(places, host_places)
    assert not (result == latent["samples"]).all(1).any() and result.isfinite().all()


def test_footage_too_short_for_a_latent_frame_is_guided_at_both_ends(ltxv):
    model, vae, words = ltxv
    latent = SoraEncodeCanvas.execute(place(Canvas(**SIZE), clip(5), 12), vae).args[0]
    _, calls = network_calls(model, words, latent)
    for x, _, places in calls:
        assert x.shape[2] == latent["samples"].shape[2] + 2
        assert sorted(set(places[0, 0].flatten().tolist())) in ([12, 16], [12, 13, 16, 17])


def test_footage_that_fills_latent_frames_is_held_beside_a_guide(ltxv):
    model, vae, words = ltxv
    canvas = place(edits.extend_forward(Canvas(**SIZE), clip(9)), clip(1, 1), FRAMES - 1)
    latent = SoraEncodeCanvas.execute(canvas, vae).args[0]
    result, calls = network_calls(model, words, latent)
    assert torch.equal(result[:, :, :2], latent["samples"][:, :, :2])
    assert not (result[:, :, 2:] == latent["samples"][:, :, 2:]).all(1).any()
    assert all(not times[:, :8].any() and (times[:, 8:-4] > 0).all() for _, times, _ in calls)


def test_a_guide_goes_with_its_part_of_a_long_video(ltxv):
    model, vae, words = ltxv
    canvas = place(edits.extend_forward(Canvas(**SIZE), clip(9)), clip(1, 1), FRAMES - 1)
    latent = SoraEncodeCanvas.execute(canvas, vae).args[0]
    result, calls = network_calls(model, words, latent, window=25 / FPS, resume=False)
    steps = len(SIGMAS) - 1
    assert all(places is None for *_, places in calls[:steps])
    assert all(places[0, 0].flatten()[0] == 24 for *_, places in calls[steps:])
    assert torch.equal(result[:, :, :2], latent["samples"][:, :, :2])


def test_a_still_with_open_pixels_stays_in_its_latent_frame(ltxv):
    model, vae, words = ltxv
    half = clip(1)[:, : SIDE // 2]
    latent = SoraEncodeCanvas.execute(place(Canvas(**SIZE), half, 12), vae).args[0]
    _, calls = network_calls(model, words, latent)
    assert all(places is None for *_, places in calls)


def test_guides_are_for_networks_that_take_them(ltxv, folder):
    assert takes_guides(ltxv[0].model)
    wan = comfy.sd.load_diffusion_model(str(folder / "wan21_i2v_tiny.safetensors"))
    assert not takes_guides(wan.model)
