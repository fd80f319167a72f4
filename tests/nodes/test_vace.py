"""Wan VACE receives the footage of a canvas as the host's own WanVaceToVideo encodes it."""

import comfy.sd
import comfy_extras.nodes_wan
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.guidance.conditioning_support import conditioning_support
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import ConfigError

from tests.support.clips import random_frames

SIDE, FRAMES = 32, 25
SIZE = {"width": SIDE, "height": SIDE, "seconds": FRAMES / 8}
LAP = SIZE | {"seconds": 3.0}
SIGMAS = torch.tensor([1.0, 0.6, 0.0])


def clip(frames, seed=0):
    return random_frames(frames, seed, SIDE, SIDE)


def hole():
    mask = torch.zeros(1, SIDE, SIDE)
    mask[:, : SIDE // 2] = 1
    return mask


def host_video(*placed):
    """The control video and mask of the host's node: grey and 1 where no footage is."""
    video, mask = torch.full((FRAMES, SIDE, SIDE, 3), 0.5), torch.ones(FRAMES, SIDE, SIDE)
    for first, frames in placed:
        video[first : first + len(frames)] = frames.float() / 255
        mask[first : first + len(frames)] = 0
    return video, mask


EDITS = {  # the canvas, and the same footage for the host's node
    "forward": (lambda: edits.extend_forward(Canvas(**SIZE), clip(9)), [(0, clip(9))]),
    "image": (lambda: edits.image_to_video(Canvas(**SIZE), clip(1)), [(0, clip(1))]),
    "backward": (
        lambda: edits.extend_backward(Canvas(**SIZE), clip(8), 1.0),
        [(17, clip(8))],
    ),
}


@pytest.fixture
def vace(pack, folder):
    model = comfy.sd.load_diffusion_model(str(folder / "wan21_vace_tiny.safetensors"))
    words = [pack.conditioning(4096, 0, False, i) for i in (1, 2)]
    return model, pack.TinyVAE(16, 4, 8), words


def encoded(canvas, vae):
    return SoraEncodeCanvas.execute(canvas, vae).args[0]


def observed_by(model, words, latent, scale=1.0, **settings):
    """The latent, and the context of each call of the network."""
    contexts = []
    hook = model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args, named: contexts.append((args[0].shape, named["vace_context"])),
        with_kwargs=True,
    )
    guider = SoraGuider.execute(model, *words, scale, 0.0, 1.0, 0.0, latent, **settings).args[0]
    noise = SoraNoise.execute(3).args[0]
    result = SoraSample.execute(noise, guider, SIGMAS, latent, "euler").args[0]["samples"]
    hook.remove()
    return result, contexts


def host_conditioning(words, vae, video, mask):
    return comfy_extras.nodes_wan.WanVaceToVideo.execute(
        *words, vae, SIDE, SIDE, FRAMES, 1, 1.0, control_video=video, control_masks=mask
    ).args


@pytest.mark.parametrize("edit", EDITS)
def test_the_context_is_that_of_the_hosts_node(vace, edit):
    model, vae, words = vace
    make, placed = EDITS[edit]
    latent = encoded(make(), vae)
    result, contexts = observed_by(model, words, latent)
    *theirs, empty, _ = host_conditioning(words, vae, *host_video(*placed))
    _, expected = observed_by(model, theirs, empty)
    apart = max(
        (ours - host).abs().max().item()
        for (_, ours), (_, host) in zip(contexts, expected, strict=True)
    )
    print(f"vace {edit} differs from the host's node by {apart:.4f}")
    assert apart < 0.01  # the tiny VAE's rounding of grey
    assert all(torch.equal(ours[:, :, 32:], host[:, :, 32:]) for (_, ours), (_, host) in
               zip(contexts, expected, strict=True))  # fmt: skip
    held = (latent["noise_mask"] == 0).expand_as(result)
    assert held.any() and torch.equal(result[held], latent["samples"][held])
    assert not (result[~held] == latent["samples"][~held]).any()


def test_an_inpainting_mask_reaches_the_context_cell_by_cell(vace):
    model, vae, words = vace
    latent = encoded(edits.inpaint(Canvas(**SIZE), clip(FRAMES), hole()), vae)
    _, contexts = observed_by(model, words, latent)
    for _, context in contexts:
        assert (context[:, :, 32:, :, :2] == 1).all() and (context[:, :, 32:, :, 2:] == 0).all()


LONG = {
    "segments": (lambda: edits.extend_forward(Canvas(**SIZE), clip(9)), {"window": 13 / 8}),
    "loop": (lambda: edits.loop(Canvas(**LAP), clip(8)), {}),
    "long loop": (lambda: edits.loop(Canvas(**LAP), clip(8)), {"window": 13 / 8}),
    "empty loop": (lambda: edits.loop(Canvas(**LAP)), {}),
}


@pytest.mark.parametrize("edit", LONG)
@pytest.mark.parametrize("footage_scale", [1.0, 2.0])
def test_the_context_is_cut_along_time_as_the_latent_is(vace, edit, footage_scale):
    model, vae, words = vace
    make, settings = LONG[edit]
    latent = encoded(make(), vae)
    result, contexts = observed_by(
        model, words, latent, 4.0, footage_scale=footage_scale, **settings
    )
    assert all(context.shape[3] == shape[2] for shape, context in contexts)
    held = (latent.get("noise_mask", torch.ones(1)) == 0).expand_as(result)
    assert torch.equal(result[held], latent["samples"][held])
    if edit == "segments":
        assert any((context[0, 0, 32, 0] == 0).all() for _, context in contexts)


def test_the_users_own_video_is_cut_along_time_or_refused(vace):
    model, vae, words = vace
    video = clip(FRAMES, 5).float() / 255
    theirs = host_conditioning(words, vae, video, torch.ones(FRAMES, SIDE, SIDE))[:2]
    empty = encoded(Canvas(**SIZE), vae)
    _, (whole, *_) = observed_by(model, theirs, empty)
    _, parts = observed_by(model, theirs, empty, window=13 / 8)
    pieces = {tuple(part[0, 0, 16, :, 0, 0].tolist()) for _, part in parts}
    track = whole[1][0, 0, 16, :, 0, 0]
    cuts = {tuple(track[i : i + 4].tolist()) for i in range(len(track) - 3)}
    assert len(pieces) > 1 and pieces <= cuts
    with pytest.raises(ConfigError, match=r"^positive: .* already holds a VACE video"):
        observed_by(model, theirs, encoded(EDITS["forward"][0](), vae))
    with pytest.raises(ConfigError, match=r"^positive: .* make both equally long"):
        observed_by(model, theirs, encoded(Canvas(**SIZE | {"seconds": 13 / 8}), vae))


def test_vace_is_found_by_its_class(vace):
    assert conditioning_support(vace[0].model).context
