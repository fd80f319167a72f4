"""Any video model of ComfyUI preserves the footage of a canvas, in the form it accepts."""

import inspect

import comfy.latent_formats
import comfy.sd
import comfy_extras.nodes_context_windows
import folder_paths
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.guidance import canvas_guider
from sora_nodes.nodes.host.guidance.conditioning_support import (
    ConditioningSupport,
    conditioning_support,
)
from sora_nodes.nodes.host.guidance.temporal_plan import window_sigmas
from sora_nodes.nodes.host.vae.decode import VideoDecoding
from sora_nodes.nodes.loaders import SoraLoadModel
from sora_nodes.nodes.prompt import SoraEncodePrompt
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import ConfigError, SizeError
from sora_nodes.sora_core.sampling.prompt_spans import SPAN_KEY
from sora_nodes.sora_core.sampling.segments import SegmentSettings

import sora_core.canvas.edits as plain_edits
import sora_core.pipeline.generate as core
from sora_core.canvas.canvas import Canvas as PlainCanvas
from sora_core.sampling.segments import SegmentSettings as PlainChain
from tests.support.clips import random_frames
from tests.support.tiny import NAME, write_tiny

PROMPT = "a red ball rolls to the left on grass"
SIZE = {"width": 64, "height": 64, "seconds": 13 / 8}

VAES = {
    "wan21_t2v": (16, 4, 8),
    "wan21_i2v": (16, 4, 8),
    "wan21_control": (16, 4, 8),
    "wan22_5b": (48, 4, 16),
    "ltxv": (128, 8, 32),
    "hunyuan": (16, 4, 8),
    "cosmos_predict2": (16, 4, 8),
}
WORDS = {"ltxv": (64, 0, True), "hunyuan": (64, 768, False), "cosmos_predict2": (1024, 0, False)}
OBSERVED = {
    "wan21_t2v": ConditioningSupport("one"),
    "wan21_i2v": ConditioningSupport("one", images=True, marks=True, by_frame=True),
    "wan22_5b": ConditioningSupport("token"),
    "ltxv": ConditioningSupport("token"),
    "hunyuan": ConditioningSupport("one"),
    "cosmos_predict2": ConditioningSupport("frame", marks=True),
}


@pytest.fixture
def host(pack, folder):
    """A model of the host by name, with a VAE and conditionings that suit it."""

    def result(name):
        model = comfy.sd.load_diffusion_model(str(folder / f"{name}_tiny.safetensors"))
        words = WORDS.get(name, (4096, 0, False))
        return model, pack.TinyVAE(*VAES[name]), [pack.conditioning(*words, i) for i in (1, 2)]

    return result


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    path = write_tiny(tmp_path_factory.mktemp("models"))
    folder_paths.add_model_folder_path("diffusion_models", str(path.parent))
    with torch.inference_mode():
        model, clip, vae = SoraLoadModel.execute(NAME).args
        words = [SoraEncodePrompt.execute(clip, text).args[0] for text in (PROMPT, "")]
    return path, model, vae, words


def clip(frames, side=64, seed=0):
    return random_frames(frames, seed, side, side)


def encoded(canvas, vae):
    return SoraEncodeCanvas.execute(canvas, vae).args[0]


def generated(model, words, latent, *, steps=2, footage=1.0, scale=4.0):
    end = 0.0 if "noise_mask" in latent else 0.5
    guider = SoraGuider.execute(model, *words, scale, 0.0, 1.0, end, latent, footage).args[0]
    sigmas = SoraSchedule.execute(latent, steps, 0.0, 1.0).args[0]
    noise = SoraNoise.execute(3).args[0]
    return SoraSample.execute(noise, guider, sigmas, latent, "euler").args[0]["samples"]


def observed_by(model, words, latent, **arguments):
    """Input and timestep of each call of the network."""
    observed = []

    def note(module, args):
        observed.append((args[0].clone(), args[1].clone()))

    hook = model.model.diffusion_model.register_forward_pre_hook(note)
    generated(model, words, latent, **arguments)
    hook.remove()
    return observed


@pytest.mark.parametrize("name", OBSERVED)
def test_what_a_model_accepts_is_found_by_trying_it(host, name):
    assert conditioning_support(host(name)[0].model) == OBSERVED[name]


@pytest.mark.parametrize("name", OBSERVED)
def test_kept_footage_is_bit_for_bit_itself_and_nothing_else_is(host, name):
    model, vae, words = host(name)
    side = 4 * VAES[name][2]
    canvas = Canvas(width=side, height=side, seconds=(1 + 3 * VAES[name][1]) / 8)
    latent = encoded(edits.extend_forward(canvas, clip(1 + VAES[name][1], side)), vae)
    result = generated(model, words, latent)
    assert torch.equal(result[:, :, :2], latent["samples"][:, :, :2])
    assert not (result[:, :, 2:] == latent["samples"][:, :, 2:]).any()


@pytest.mark.parametrize("name", ["wan22_5b", "cosmos_predict2"])
def test_footage_that_fills_a_frame_enters_clean_at_level_0(host, name):
    model, vae, words = host(name)
    latent = encoded(edits.extend_forward(Canvas(**SIZE), clip(5)), vae)
    known = model.model.process_latent_in(latent["samples"])
    for x, timestep in observed_by(model, words, latent):
        assert torch.equal(timestep[:, :2], torch.zeros_like(timestep[:, :2]))
        assert (timestep[:, 2:] == timestep.max()).all() and timestep.max() > 0
        first = x[:1, : known.shape[1], :2]
        torch.testing.assert_close(first, known[:, :, :2], atol=1e-5, rtol=1e-5)


def test_footage_in_part_of_a_frame_is_as_noisy_as_the_rest_where_levels_are_per_frame(host):
    model, vae, words = host("cosmos_predict2")
    hole = torch.zeros(1, 64, 64)
    hole[:, :32] = 1
    latent = encoded(edits.inpaint(Canvas(**SIZE), clip(13), hole), vae)
    known = model.model.process_latent_in(latent["samples"])
    noise = SoraNoise.execute(3).args[0].generate_noise(latent)
    for x, timestep in observed_by(model, words, latent):
        assert (timestep == timestep.max()).all()
        level = timestep.max()
        expected = ((1 - level) * known + level * noise)[..., 4:, :]
        torch.testing.assert_close(x[:1, :16, :, 4:], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["ltxv", "wan22_5b"])
def test_footage_in_part_of_a_frame_enters_clean_where_levels_are_per_token(host, name):
    model, vae, words = host(name)
    hole = torch.zeros(1, 128, 128)
    hole[:, :64] = 1
    canvas = Canvas(width=128, height=128, seconds=17 / 8)
    latent = encoded(edits.inpaint(canvas, clip(17, 128), hole), vae)
    known = model.model.process_latent_in(latent["samples"])
    half = known.shape[3] // 2
    for x, timestep in observed_by(model, words, latent):
        levels = timestep.reshape(len(x), known.shape[2], 4, 4)
        assert (levels[:, :, 2:] == 0).all() and (levels[:, :, :2] > 0).all()
        torch.testing.assert_close(x[:1, ..., half:, :], known[..., half:, :], atol=1e-5, rtol=0)


def test_a_model_with_channels_for_footage_finds_it_there_on_grey(host):
    model, vae, words = host("wan21_i2v")
    latent = encoded(edits.extend_forward(Canvas(**SIZE), clip(5)), vae)
    known = model.model.process_latent_in(latent["samples"])
    grey = model.model.process_latent_in(vae.encode(torch.full((13, 64, 64, 3), 0.5)))
    for x, _ in observed_by(model, words, latent):
        marks, footage = x[:1, 16:20], x[:1, 20:]
        assert (marks[:, :, :2] == 1).all() and (marks[:, :, 2:] == 0).all()
        torch.testing.assert_close(footage[:, :, :2], known[:, :, :2], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(footage[:, :, 2:], grey[:, :, 2:], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["wan21_t2v", "hunyuan"])
def test_any_other_model_sees_footage_as_noisy_as_the_rest(host, name):
    model, vae, words = host(name)
    latent = encoded(edits.extend_forward(Canvas(**SIZE), clip(5)), vae)
    known = model.model.process_latent_in(latent["samples"])
    noise = SoraNoise.execute(3).args[0].generate_noise(latent)
    for x, timestep in observed_by(model, words, latent):
        sigma = timestep.max() / 1000
        expected = ((1 - sigma) * known + sigma * noise)[:, :, :2]
        torch.testing.assert_close(x[:1, :, :2], expected, atol=1e-4, rtol=1e-4)


EDITS = {
    "nothing": lambda result, canvas: canvas,
    "image": lambda result, canvas: result.image_to_video(canvas, clip(1)),
    "forward": lambda result, canvas: result.extend_forward(canvas, clip(5)),
    "backward": lambda result, canvas: result.extend_backward(canvas, clip(8), 1.0),
    "over": lambda result, canvas: result.video_to_video(canvas, clip(13), 0.4),
    "loop": lambda result, canvas: result.loop(canvas),
    "loop through a clip": lambda result, canvas: result.loop(canvas, clip(5)),
}


@pytest.mark.parametrize("edit", EDITS)
def test_our_model_generates_every_canvas_as_the_core_does(ours, edit):
    path, model, vae, words = ours
    size = SIZE | {"seconds": 12 / 8} if edit.startswith("loop") else SIZE
    result = generated(model, words, encoded(EDITS[edit](edits, Canvas(**size)), vae))
    canvas = EDITS[edit](plain_edits, PlainCanvas(**size))
    expected = core.generate(core.load(path), PROMPT, canvas, 3, steps=2, guidance=4.0)
    torch.testing.assert_close(result, expected, atol=2e-4, rtol=1e-3)


def test_a_schedule_that_was_chosen_stays_and_another_counts_what_is_seen(ours):
    _, model, vae, words = ours
    latent = encoded(Canvas(width=32, height=32, seconds=41 / 8), vae)
    guider = SoraGuider.execute(model, *words, 4.0, 0.0, 1.0, 0.5, latent).args[0]
    observed = {"samples": latent["samples"][:, :, : model.model.window]}
    expected, whole, chosen = (
        SoraSchedule.execute(part, 4, shift, 1.0).args[0]
        for part, shift in ((observed, 0.0), (latent, 0.0), (latent, 2.5))
    )
    assert not torch.equal(expected, whole)
    assert torch.equal(window_sigmas(guider.plan, whole), expected)
    assert torch.equal(window_sigmas(guider.plan, chosen), chosen)


@pytest.mark.parametrize("edit", ["nothing", "backward", "loop"])
def test_our_model_generates_long_canvases_as_the_core_does(ours, edit, monkeypatch):
    # Held tokens come out of the host's model as they are and of the core's as it predicts them;
    # anchors count both, so that they agree only as far as the model predicts what it is shown.
    monkeypatch.setattr(canvas_guider, "SEGMENT_SETTINGS", SegmentSettings(anchor=0.0))
    path, model, vae, words = ours
    size = {"width": 32, "height": 32, "seconds": (32 if edit == "loop" else 41) / 8}
    latent = encoded(EDITS[edit](edits, Canvas(**size)), vae)
    result = generated(model, words, latent)
    canvas = EDITS[edit](plain_edits, PlainCanvas(**size))
    expected = core.generate(
        core.load(path), PROMPT, canvas, 3, steps=2, guidance=4.0, segments=PlainChain(anchor=0.0)
    )
    torch.testing.assert_close(result, expected, atol=5e-4, rtol=2e-3)


def test_our_model_tells_a_storyboard_as_the_core_does(ours):
    path, model, vae, (words, negative) = ours
    other = "a blue cube falls on grass"
    _, clip, _ = SoraLoadModel.execute(NAME).args
    texts = [
        [words[0][0], words[0][1] | {SPAN_KEY: (0.0, 1.0)}],
        [SoraEncodePrompt.execute(clip, other).args[0][0][0], {SPAN_KEY: (1.0, float("inf"))}],
    ]
    result = generated(model, [texts, negative], encoded(Canvas(**SIZE), vae))
    canvas = plain_edits.place_storyboard(PlainCanvas(**SIZE), [(0.0, PROMPT), (1.0, other)])
    expected = core.generate(core.load(path), PROMPT, canvas, 3, steps=2, guidance=4.0)
    torch.testing.assert_close(result, expected, atol=2e-4, rtol=1e-3)


def test_our_model_is_led_by_footage_as_the_core_leads_it(ours):
    path, model, vae, words = ours
    result = generated(
        model, words, encoded(EDITS["forward"](edits, Canvas(**SIZE)), vae), footage=2.0
    )
    canvas = EDITS["forward"](plain_edits, PlainCanvas(**SIZE))
    expected = core.generate(
        core.load(path), PROMPT, canvas, 3, steps=2, guidance=4.0, footage_guidance=2.0
    )
    torch.testing.assert_close(result, expected, atol=2e-4, rtol=1e-3)


def test_guidance_by_footage_costs_one_call_more_and_pushes_away_from_no_footage(host):
    model, vae, words = host("ltxv")
    words = [[[cond[0][0], cond[0][1] | {"frame_rate": 25}]] for cond in words]  # not the canvas'
    latent = encoded(
        edits.image_to_video(Canvas(width=128, height=128, seconds=17 / 8), clip(1)), vae
    )
    plain, pushed = (
        generated(model, words, latent, steps=1, footage=scale)[:, :, 1:] for scale in (1.0, 3.0)
    )
    assert not torch.isclose(plain, pushed).any()
    assert len(observed_by(model, words, latent, steps=1, footage=3.0)) == 2  # a batch of 2, and 1
    assert (
        len(observed_by(model, words, latent, steps=1, footage=4.0)) == 2
    )  # both scales: text only


def test_a_line_of_a_loop_has_the_frames_beyond_its_cuts(host):
    model, vae, words = host("wan22_5b")
    latent = encoded(edits.loop(Canvas(**SIZE | {"seconds": 2.0}), clip(4)), vae)
    observed = observed_by(model, words, latent, steps=1)
    assert [x.shape[2] for x, _ in observed] == [6, 6]
    assert all((timestep == 0).sum(1).ge(1).all() for _, timestep in observed)


def test_a_prompt_stated_twice_over_time_is_that_prompt(host):
    model, vae, (words, negative) = host("wan21_t2v")
    latent = encoded(Canvas(**SIZE), vae)
    texts = [
        [words[0][0], words[0][1] | {SPAN_KEY: span}] for span in ((0.0, 0.8), (0.8, float("inf")))
    ]
    once = generated(model, [words, negative], latent)
    torch.testing.assert_close(
        generated(model, [texts, negative], latent), once, atol=1e-4, rtol=1e-3
    )


def test_prompts_over_time_count_in_their_own_frames(host):
    model, vae, (words, other) = host("wan21_t2v")
    latent = encoded(Canvas(**SIZE), vae)
    texts = [
        [words[0][0], words[0][1] | {SPAN_KEY: (0.0, 0.8)}],
        [other[0][0], other[0][1] | {SPAN_KEY: (0.8, 13 / 8)}],
    ]
    first, second, both = (
        generated(model, [positive, other], latent, steps=1, scale=1.0)
        for positive in (words, other, texts)
    )
    torch.testing.assert_close(both[:, :, 0], first[:, :, 0], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(both[:, :, -1], second[:, :, -1], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("start", "rows"), [(0.8, 2), (9.0, 1)])
def test_the_model_is_called_for_prompts_that_count_only(host, start, rows):
    model, vae, (words, other) = host("wan21_t2v")
    texts = [[words[0][0], words[0][1]], [other[0][0], other[0][1] | {SPAN_KEY: (start, 10.0)}]]
    observed = observed_by(model, [texts, other], encoded(Canvas(**SIZE), vae), steps=1, scale=1.0)
    assert sum(len(x) for x, _ in observed) == rows


def test_the_hosts_own_windows_see_the_footage_of_their_frames(host):
    model, vae, words = host("wan22_5b")
    latent = encoded(edits.extend_forward(Canvas(**SIZE | {"seconds": 25 / 8}), clip(5)), vae)
    node = comfy_extras.nodes_context_windows.ContextWindowsManualNode
    newer = inspect.signature(node.execute).parameters.keys() & {"freenoise", "causal_window_fix"}
    off = dict.fromkeys(newer, False)
    windowed = node.execute(model, 4, 2, "standard_static", 1, False, "pyramid", 2, **off).args[0]
    observed = observed_by(windowed, words, latent, steps=1)
    assert {x.shape[2] for x, _ in observed} == {4}
    assert sum(int((timestep[0] == 0).sum()) for _, timestep in observed) == 2


def test_a_loop_decodes_without_a_first_frame(pack):
    vae = pack.TinyVAE(16, 4, 8)
    latent = torch.randn(1, 16, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 0.1
    whole, turned = (
        torch.cat(list(VideoDecoding(vae, x, ring=True)), dim=2)
        for x in (latent, latent.roll(1, 2))
    )
    assert whole.shape[2] == 12
    torch.testing.assert_close(turned, whole.roll(4, 2))


def with_image(words):
    return [[[words[0][0][0], words[0][0][1] | {"concat_latent_image": torch.zeros(1)}]], words[1]]


def test_what_would_silently_be_wrong_is_refused(host, ours, pack):
    model, vae, words = host("wan21_t2v")
    latent = encoded(edits.image_to_video(Canvas(**SIZE), clip(1)), vae)
    with pytest.raises(ConfigError, match="does not accept footage"):
        generated(model, words, latent, footage=2.0)
    with pytest.raises(ConfigError, match="control video"):
        generated(host("wan21_control")[0], words, latent)
    with pytest.raises(ConfigError, match=r"^positive: .* already holds an image"):
        generated(model, with_image(words), latent)
    with pytest.raises(ConfigError, match=r"^latent: .* 16 channels for a model of 48"):
        generated(host("wan22_5b")[0], words, latent)
    with pytest.raises(SizeError, match="connect the same one"):
        guider = SoraGuider.execute(model, *words, 4.0, 0.0, 1.0, 0.5, latent).args[0]
        other = encoded(Canvas(**SIZE | {"width": 96}), vae)
        sigmas = SoraSchedule.execute(other, 1, 0.0, 1.0).args[0]
        SoraSample.execute(SoraNoise.execute(3).args[0], guider, sigmas, other, "euler")
    with pytest.raises(ConfigError, match="connect `latent`"):
        timed = [[words[0][0][0], {SPAN_KEY: (0.0, 1.0)}]]
        SoraGuider.execute(model, timed, words[1], 4.0, 0.0, 1.0, 0.0)
    with pytest.raises(ConfigError, match="does not generate videos"):
        conditioning_support(type("Flux", (), {"latent_format": comfy.latent_formats.Flux()})())


def test_footage_that_memory_cannot_hold_is_refused_before_the_work(pack):
    canvas = Canvas(width=3840, height=2160, seconds=60, fps=60)
    with pytest.raises(SizeError, match="choose fewer pixels"):
        long = clip(1).expand(3600, -1, -1, -1)
        encoded(edits.video_to_video(canvas, long, 0.5), pack.TinyVAE(16, 4, 8))


def test_a_vae_of_images_is_refused(pack):
    vae = pack.TinyVAE(16, 4, 8)
    vae.latent_dim = 2
    with pytest.raises(ConfigError, match="video model"):
        encoded(Canvas(**SIZE), vae)
