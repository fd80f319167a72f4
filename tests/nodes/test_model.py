"""The MODEL of the loader generates what the core generates, and obeys the host."""

import comfy.model_management
import comfy.sample
import comfy_extras.nodes_context_windows
import comfy_extras.nodes_easycache
import comfy_extras.nodes_slg
import folder_paths
import latent_preview
import pytest
import torch
from sora_nodes.nodes.decode import SoraDecodeFrames
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.loaders import SoraLoadModel
from sora_nodes.nodes.prompt import SoraEncodePrompt
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas.canvas import Canvas as NodeCanvas
from sora_nodes.sora_core.errors import PromptError
from sora_nodes.sora_core.models.text_encoder import TextConfig

import nodes as stock
import sora_core.pipeline.generate as core
from sora_core.canvas.canvas import Canvas
from sora_core.pipeline.decode import decode_frames
from tests.support.memory import peak_memory
from tests.support.tiny import NAME, write_tiny

PROMPT = "a red ball rolls to the left on grass"
SIZE = {"width": 50, "height": 34, "seconds": 1.4, "fps": 8.0}  # 11 frames; no side fits the grid


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = write_tiny(tmp_path_factory.mktemp("models"))
    folder_paths.add_model_folder_path("diffusion_models", str(path.parent))
    return path


@pytest.fixture(scope="module")
def loaded(path):
    return SoraLoadModel.execute(NAME).args


@pytest.fixture(scope="module")
def model(loaded):
    return loaded[0]


@pytest.fixture(scope="module")
def words(loaded):
    return [SoraEncodePrompt.execute(loaded[1], text).args[0] for text in (PROMPT, "")]


@pytest.fixture
def calls(model):
    """Batch size, sigma and text length of each call of the transformer."""
    observed = []

    def note(module, args, kwargs):
        observed.append((len(args[0]), args[1].max().item() / 1000, kwargs["context"].shape[1]))

    with torch.inference_mode():
        hook = model.model.diffusion_model.register_forward_pre_hook(note, with_kwargs=True)
        yield observed
        hook.remove()


def noise_like(x):
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


def empty(vae):
    return SoraEncodeCanvas.execute(NodeCanvas(**SIZE), vae).args[0]


def generated(
    model, words, latent, *, seed=3, steps=4, sampler="euler", scale=4.0, span=(1.0, 0.0)
):
    guider = SoraGuider.execute(model, *words, scale, 0.0, *span).args[0]
    sigmas = SoraSchedule.execute(latent, steps, 0.0, 1.0).args[0]
    noise = SoraNoise.execute(seed).args[0]
    with torch.inference_mode():
        return SoraSample.execute(noise, guider, sigmas, latent, sampler).args[0]


def sampled(model, words, latent, steps=4, cfg=4.0):
    with torch.inference_mode():
        return stock.common_ksampler(model, 3, steps, cfg, "euler", "simple", *words, latent)[0]


@pytest.mark.parametrize("sampler", core.SAMPLERS)
def test_the_nodes_generate_the_very_latent_that_the_core_generates(path, loaded, words, sampler):
    latent = generated(loaded[0], words, empty(loaded[2]), sampler=sampler)["samples"]
    expected = core.generate(
        core.load(path),
        PROMPT,
        Canvas(**SIZE),
        3,
        steps=4,
        guidance=4.0,
        interval=(0.0, 1.0),
        sampler=sampler,
    )
    torch.testing.assert_close(latent, expected, atol=1e-4, rtol=1e-4)


def test_the_decoded_frames_are_exactly_the_canvas(path, loaded, words):
    latent = generated(loaded[0], words, empty(loaded[2]))
    with torch.inference_mode():
        images = SoraDecodeFrames.execute(latent, loaded[2]).args[0]
    assert images.shape == (11, 34, 50, 3)
    frames = decode_frames(core.load(path), latent["samples"], Canvas(**SIZE))
    torch.testing.assert_close(images * 255, torch.cat(list(frames)).float(), atol=0.51, rtol=0)


def test_a_plain_prompt_encodes_as_the_stock_node_encodes_it(loaded, words):
    stock_words = stock.CLIPTextEncode().encode(loaded[1], PROMPT)[0]
    assert torch.equal(words[0][0][0], stock_words[0][0])


def test_a_weight_in_a_prompt_changes_what_it_means(loaded, words):
    heavier = SoraEncodePrompt.execute(loaded[1], PROMPT.replace("red", "(red:1.5)")).args[0]
    assert heavier[0][0].shape == words[0][0][0].shape
    assert not torch.allclose(heavier[0][0], words[0][0][0])


def test_a_prompt_too_long_for_the_encoder_is_cut_with_a_warning(loaded, caplog):
    words = SoraEncodePrompt.execute(loaded[1], "ball " * 300).args[0]
    assert words[0][0].shape[1] == 128
    assert "cut to 128 tokens" in caplog.text


def test_foreign_conditioning_is_refused_with_advice(model, words, loaded):
    foreign = [[torch.zeros(1, 4, 768), {}]]
    with pytest.raises(PromptError, match="768"):
        sampled(model, [foreign, words[1]], empty(loaded[2]))


def test_both_prompts_of_a_small_clip_run_as_one_batch(model, words, loaded, calls):
    generated(model, words, empty(loaded[2]))
    assert [batch for batch, _, _ in calls] == [2] * 4


def test_no_unconditional_pass_at_scale_one(model, words, loaded, calls):
    generated(model, words, empty(loaded[2]), scale=1.0)
    assert [batch for batch, _, _ in calls] == [1] * 4


def test_no_unconditional_pass_outside_of_the_interval(model, words, loaded, calls):
    generated(model, words, empty(loaded[2]), steps=8, span=(0.9, 0.5))
    assert {batch for batch, _, _ in calls} == {1, 2}
    assert all((batch == 2) == (0.5 <= sigma <= 0.9) for batch, sigma, _ in calls)


def test_words_side_by_side_give_what_they_give_alone(model, words, loaded):
    latent = empty(loaded[2])
    alone = generated(model, words, latent, scale=1.0)["samples"]
    pair = generated(model, words, latent, scale=1.0 + 1e-6)["samples"]
    torch.testing.assert_close(pair, alone, atol=1e-4, rtol=1e-4)


FRAME = (..., slice(1), slice(None), slice(None))
CORNER = (..., slice(2), slice(3))
ROUNDING = 1e-5  # of ComfyUI's own samplers; ours have none


@pytest.mark.parametrize("known", [FRAME, CORNER], ids=["frame", "corner"])
@pytest.mark.parametrize("sample, error", [(sampled, ROUNDING), (generated, 0)])
def test_known_footage_stays_and_the_rest_is_generated(model, words, loaded, known, sample, error):
    latent = empty(loaded[2])
    footage = noise_like(latent["samples"])
    mask = torch.ones(1, 1, *footage.shape[2:])
    mask[known] = 0
    result = sample(model, words, latent | {"samples": footage, "noise_mask": mask})["samples"]
    preserved = (mask == 0).expand_as(result)
    assert (result - footage)[preserved].abs().max() <= error
    assert (result - footage)[~preserved].abs().mean() > 0.1


def test_the_model_sees_known_footage_clean(model, words, loaded):
    latent = empty(loaded[2])
    footage = noise_like(latent["samples"])
    mask = torch.ones(1, 1, *footage.shape[2:])
    mask[:, :, 0] = 0
    observed = []

    def watch(apply, arguments):
        observed.append((arguments["input"], arguments["c"]["denoise_mask"]))
        return apply(arguments["input"], arguments["timestep"], **arguments["c"])

    watched = model.clone()
    watched.set_model_unet_function_wrapper(watch)
    sampled(watched, words, latent | {"samples": footage, "noise_mask": mask})
    for x, levels in observed:
        assert torch.equal(x[0, :, 0], footage[0, :, 0])
        assert levels.shape[3:] == (1, 1)  # one level a frame, not one a token


def test_an_image_and_odd_sides_sample_too(model, words):
    for shape in [(1, 16, 1, 5, 7), (2, 16, 3, 3, 4), (1, 16, 1, 1, 1)]:
        result = sampled(model, words, {"samples": torch.zeros(shape)})["samples"]
        assert result.shape == shape
        assert torch.isfinite(result).all()


def test_an_empty_image_latent_becomes_a_video_latent(model, words):
    result = sampled(model, words, {"samples": torch.zeros(1, 4, 8, 8)})["samples"]
    assert result.shape == (1, 16, 1, 8, 8)


def test_context_windows_generate_longer_videos_and_honour_masks(model, words):
    windowed = comfy_extras.nodes_context_windows.ContextWindowsManualNode.execute(
        model, 4, 2, "standard_static", 1, False, "pyramid", 2
    ).args[0]
    footage = noise_like(torch.empty(1, 16, 9, 4, 4))
    mask = torch.ones(1, 1, 9, 1, 1)
    mask[:, :, 0] = 0
    result = sampled(windowed, words, {"samples": footage, "noise_mask": mask})["samples"]
    assert (result - footage)[:, :, 0].abs().max() <= ROUNDING
    assert (result - footage)[:, :, 1:].abs().mean() > 0.1


def test_a_window_knows_where_in_the_video_it_is(model, words):
    dit = model.model.diffusion_model
    x = noise_like(torch.empty(1, 16, 3, 4, 4))
    window = type("Window", (), {"index_list": [5, 6, 7]})()
    arguments = (torch.full((1,), 500.0), words[0][0][0])
    with torch.inference_mode():
        comfy.model_management.load_models_gpu([model])
        first = dit(x, *arguments)
        later = dit(x, *arguments, transformer_options={"context_window": window})
    assert not torch.allclose(first, later)


def test_skipped_layers_change_the_picture(model, words, loaded):
    skipping = comfy_extras.nodes_slg.SkipLayerGuidanceDiT.execute(
        model, 3.0, 0.0, 1.0, double_layers="1", single_layers=""
    ).args[0]
    latent = empty(loaded[2])
    result, plain = (sampled(m, words, latent)["samples"] for m in (skipping, model))
    assert not torch.allclose(result, plain)


def test_a_cached_step_is_skipped(model, words, loaded, calls):
    cached = comfy_extras.nodes_easycache.EasyCacheNode.execute(model, 10.0, 0.0, 1.0, False).args[
        0
    ]
    dit, ran = model.model.diffusion_model, []
    run = dit.velocity
    dit.velocity = lambda *args: ran.append(1) or run(*args)
    try:
        sampled(cached, words, empty(loaded[2]), steps=10)
    finally:
        del dit.velocity
    assert 0 < len(ran) < 10


def test_a_lora_applies_to_transformer_and_text(model, loaded, words):
    generator = torch.Generator().manual_seed(0)

    def pair(name, width, out):
        return {
            f"{name}.lora_A.weight": torch.randn(4, width, generator=generator),
            f"{name}.lora_B.weight": torch.randn(out, 4, generator=generator),
        }

    lora = pair("diffusion_model.blocks.0.qkv", 64, 192)
    lora |= pair("text_encoders.blocks.0.attn.qkv.1", TextConfig().qkv_rank, 1152)
    changed, clip = comfy.sd.load_lora_for_models(model, loaded[1], lora, 1.0, 1.0)
    plain = sampled(model, words, empty(loaded[2]))["samples"]
    assert not torch.allclose(sampled(changed, words, empty(loaded[2]))["samples"], plain)
    assert torch.equal(sampled(model, words, empty(loaded[2]))["samples"], plain)
    assert not torch.allclose(SoraEncodePrompt.execute(clip, PROMPT).args[0][0][0], words[0][0][0])


def test_a_cancelled_sampling_ends_within_a_step(model, words, loaded, calls):
    guider = SoraGuider.execute(model, *words, 4.0, 0.0, 1.0, 0.0).args[0]

    def cancel(module, args, kwargs):
        comfy.model_management.interrupt_current_processing(len(calls) == 3)

    hook = model.model.diffusion_model.register_forward_pre_hook(cancel, with_kwargs=True)
    latent = empty(loaded[2])
    bar = comfy.utils.PROGRESS_BAR_HOOK
    comfy.utils.set_progress_bar_global_hook(  # as the server does
        lambda *_, **__: comfy.model_management.throw_exception_if_processing_interrupted()
    )
    try:
        with pytest.raises(comfy.model_management.InterruptProcessingException):
            SoraSample.execute(
                SoraNoise.execute(0).args[0], guider, torch.linspace(1, 0, 11), latent, "euler"
            )
    finally:
        hook.remove()
        comfy.utils.set_progress_bar_global_hook(bar)
        comfy.model_management.interrupt_current_processing(False)
    assert len(calls) == 3


def test_previews_show_one_frame_after_the_other(model):
    format = model.model.latent_format
    previewer = latent_preview.Latent2RGBPreviewer(
        format.latent_rgb_factors,
        format.latent_rgb_factors_bias,
        format.latent_rgb_factors_reshape,
    )
    latent = 200 * noise_like(torch.empty(1, 16, 3, 4, 4))
    displayed = [previewer.decode_latent_to_preview(latent).tobytes() for _ in range(6)]
    assert len(set(displayed[:3])) == 3
    assert displayed[:3] == displayed[3:]


def test_what_the_stock_nodes_save_loads_again(model, loaded, words, path, tmp_path):
    saved = path.with_name("saved.safetensors")
    comfy.sd.save_checkpoint(str(saved), model, metadata={"made by": "the host"})
    again = SoraLoadModel.execute(saved.name).args
    expected = generated(model, words, empty(loaded[2]))["samples"]
    assert torch.equal(generated(again[0], words, empty(again[2]))["samples"], expected)


@pytest.mark.parametrize("shape", [(1, 16, 5, 8, 8), (2, 16, 9, 16, 16)])
def test_the_memory_it_asks_for_is_about_what_it_takes(model, words, shape):
    x, sigma = torch.zeros(shape), torch.full(shape[:1], 500.0)
    text = words[0][0][0].expand(len(x), -1, -1)
    with torch.inference_mode():
        taken = peak_memory(lambda: model.model.diffusion_model(x, sigma, text))
    assert 0.8 < model.memory_required(list(shape)) / taken < 3


def test_loading_twice_gives_models_that_share_nothing(path, loaded):
    again = SoraLoadModel.execute(NAME).args[0].model.diffusion_model.state_dict()
    first = loaded[0].model.diffusion_model.state_dict()
    assert all(first[name].data_ptr() != tensor.data_ptr() for name, tensor in again.items())
