"""Long videos resume where they stopped, repeat only what has changed, and report drift."""

import re

import comfy.model_management
import folder_paths
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.conditioning import by_wording
from sora_nodes.nodes.host.paths import JOBS_FOLDER
from sora_nodes.nodes.host.resume import progress
from sora_nodes.nodes.loaders import SoraLoadModel
from sora_nodes.nodes.prompt import SoraEncodePrompt, SoraStoryboard
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import ConfigError
from sora_nodes.sora_core.sampling.prompt_spans import SPAN_KEY

from sora_core.resume.jobs import jobs, read_manifest
from tests.support.families import FAMILIES, host_model, text
from tests.support.tiny import NAME, write_tiny

LINKS = 5  # of 17 latent frames, 5 at a time: they begin at 0, 3, 6, 9 and 12
STEPS = 2
SHOTS = "0-4s: a red ball rolls to the left\n4-8s: a blue cube falls"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = write_tiny(tmp_path_factory.mktemp("models"))
    folder_paths.add_model_folder_path("diffusion_models", str(path.parent))
    with torch.inference_mode():
        return SoraLoadModel.execute(NAME).args


class Killed(BaseException):
    """What nothing may catch."""


def generated(model, *, shots=SHOTS, seed=3, calls=None, resume=True, sampler="euler", **settings):
    """The latent, the report, and how often the network ran; killed after `calls` if given."""
    patcher, clip, vae = model
    canvas = Canvas(width=32, height=32, seconds=8)
    canvas, positive, *_ = SoraStoryboard.execute(canvas, clip, shots, "sora-mini", "off", 0).args
    negative = SoraEncodePrompt.execute(clip, "").args[0]
    latent = SoraEncodeCanvas.execute(canvas, vae).args[0]
    arguments = {"scale": 4.0, "rescale": 0.0, "from_sigma": 1.0, "to_sigma": 0.0} | settings
    guider = SoraGuider.execute(
        patcher, positive, negative, latent=latent, resume=resume, **arguments
    ).args[0]
    sigmas = SoraSchedule.execute(latent, STEPS, 0.0, 1.0).args[0]
    ran = []

    def count(module, args):
        ran.append(args)
        if calls is not None and len(ran) > calls:
            raise Killed

    hook = patcher.model.diffusion_model.register_forward_pre_hook(count)
    try:
        displayed = SoraSample.execute(
            SoraNoise.execute(seed).args[0], guider, sigmas, latent, sampler
        )
    except Killed:
        return None, "", len(ran)
    finally:
        hook.remove()
    return displayed.args[0]["samples"], displayed.ui["text"][0], len(ran)


@pytest.mark.parametrize("sampler", ["euler", "sde"])
def test_a_generation_that_was_killed_continues_to_the_same_bits(model, sampler):
    whole, _, ran = generated(model, resume=False, sampler=sampler)
    for calls in range(0, ran, 7):
        generated(model, calls=calls, sampler=sampler)
    again, message, rest = generated(model, sampler=sampler)
    assert torch.equal(again, whole)
    assert 0 < rest < ran
    assert "were already computed" in message


def test_what_is_finished_is_not_generated_again(model, output):
    whole, *_ = generated(model)
    again, message, ran = generated(model)
    assert torch.equal(again, whole)
    assert ran == 0
    assert f"{LINKS} parts and 0 predictions were already computed" in message
    (job,) = jobs(output / JOBS_FOLDER)
    assert read_manifest(job).finished


def test_a_later_shot_changed_redoes_only_what_it_touches(model):
    _, _, ran = generated(model)
    changed = SHOTS.replace("blue cube falls", "green cone falls")
    result, message, redone = generated(model, shots=changed)
    fresh, *_ = generated(model, shots=changed, resume=False)
    assert torch.equal(result, fresh)
    assert 0 < redone < ran
    assert "2 parts and 0" in message  # the third touches the second shot


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"seed": 4}, {"scale": 3.0}, {"sampler": "heun"}])
def test_what_counts_everywhere_redoes_everything(model, change):
    generated(model)
    result, message, _ = generated(model, **change)
    fresh, *_ = generated(model, **change, resume=False)
    assert torch.equal(result, fresh)
    assert "already" not in message


@pytest.mark.slow
def test_other_weights_are_another_model(model):
    patcher, clip, vae = model
    generated(model)
    other = patcher.clone()
    weights = other.model_state_dict()
    name = next(name for name in weights if name.startswith("diffusion_model.blocks"))
    other.add_patches({name: ("diff", (torch.ones_like(weights[name]),))}, 0.01)
    _, message, _ = generated((other, clip, vae))
    assert "already" not in message


def test_a_model_that_cannot_be_known_again_is_generated_and_not_kept(model, output):
    patcher, clip, vae = model
    patched = patcher.clone()
    patched.model_options["transformer_options"]["mine"] = object()
    latent, message, _ = generated((patched, clip, vae))
    assert latent is not None
    assert "A restart starts from the beginning" in message
    assert jobs(output / JOBS_FOLDER) == []


def test_no_part_is_kept_where_that_is_not_wanted(model, output):
    generated(model, resume=False)
    assert not (output / JOBS_FOLDER).exists()


def test_drift_is_reported_although_it_is_anchored(model):
    patcher, clip, vae = model
    steady = generated(model, shots="a red ball", resume=False)[1]
    drifting = patcher.clone()
    drifting.set_model_unet_function_wrapper(brighter_from_the_second_part)
    texts = generated((drifting, clip, vae), shots="a red ball", resume=False)[1]
    (usual, _), (free, held) = (
        [float(message) for message in re.findall(r"colour up to ([0-9.]+) of 255", report)]
        for report in (steady, texts)
    )
    assert "without anchoring: segment 2, 3, 4, 5." in texts
    assert free > 3 * max(usual, held)


def test_what_drifted_is_known_of_parts_that_were_there_already(model):
    texts = generated(model, shots="a red ball")[1]
    again = generated(model, shots="a red ball")[1]
    assert texts.partition("Drift")[2] == again.partition("Drift")[2] != ""


def brighter_from_the_second_part(apply, arguments):
    start = arguments["c"]["transformer_options"].get("context_window")
    return apply(arguments["input"], arguments["timestep"], **arguments["c"]) + (
        0.0 if start is None else 0.5
    )


def test_a_cancel_stops_before_the_next_call(model, monkeypatch):
    ran = []

    def cancel(module, args):
        ran.append(args)
        comfy.model_management.interrupt_current_processing()

    hook = model[0].model.diffusion_model.register_forward_pre_hook(cancel)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        generated(model)
    hook.remove()
    assert len(ran) <= 2  # the prompt and what to stay away from are one call of the guider


def test_progress_is_over_all_links_and_tells_the_time_that_is_left(model, monkeypatch):
    message, steps = [], []
    monkeypatch.setattr(progress, "show_text", message.append)
    monkeypatch.setattr(
        progress.SamplingProgress,
        "report",
        lambda self, done, clean, x, total: steps.append((done, total)),
    )
    generated(model)
    assert steps == [(i + 1, LINKS * STEPS) for i in range(LINKS * STEPS)] + [(10, 10)]
    assert message[-1] == "part 5 of 5, 0:00 left"
    assert all(text.endswith(" left") for text in message)


def test_a_window_in_seconds_says_how_much_is_generated_at_a_time(model):
    _, message, _ = generated(model, window=4.0)  # 9 latent frames, of 17
    assert message.startswith("3 parts.")
    patcher, clip, _ = model
    words = SoraEncodePrompt.execute(clip, "").args[0]
    latent = {"samples": torch.zeros(1, 16, 17, 4, 4)}
    with pytest.raises(ConfigError, match="window of 4 seconds"):
        SoraGuider.execute(patcher, words, words, 4.0, 0.0, 1.0, 0.0, latent, 1.0, 4.0)


def test_words_that_are_said_again_are_the_same_scene():
    first, second = torch.randn(2, 1, 4, 8, generator=torch.Generator().manual_seed(0))
    conds = [
        {"cross_attn": words, SPAN_KEY: (i, i + 1)}
        for i, words in enumerate((first, second, first))
    ]
    assert by_wording(conds, torch.eye(3)).tolist() == [[1, 0, 1], [0, 1, 0]]


def test_an_interval_of_guidance_that_ends_above_its_start_names_both_inputs():
    entry = FAMILIES["wan21_t2v"]
    model, words = host_model(entry), text(entry, 1)
    with pytest.raises(ConfigError, match=r"to_sigma 0.8 is above from_sigma 0.2"):
        SoraGuider.execute(model, words, words, 4.0, 0.0, 0.2, 0.8)
