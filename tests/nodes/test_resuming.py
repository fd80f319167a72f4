"""Videos in windows, and loops, resume where they stopped: the model predicts only the rest."""

import comfy.samplers
import comfy.sd
import folder_paths
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.paths import JOBS_FOLDER
from sora_nodes.nodes.jobs import SoraJobs
from sora_nodes.nodes.loaders import SoraLoadModel
from sora_nodes.nodes.prompt import SoraEncodePrompt
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSchedule
from sora_nodes.sora_core.canvas.canvas import Canvas, Placement

from sora_core.resume.jobs import jobs
from sora_core.resume.prediction_cache import prediction_files
from tests.support.tiny import NAME, write_tiny

STEPS = 3
WINDOW = 17 / 8  # seconds of 5 latent frames


@pytest.fixture
def wan(pack, folder):
    """A model that accepts no footage, so that long videos are sampled in windows."""
    model = comfy.sd.load_diffusion_model(str(folder / "wan21_t2v_tiny.safetensors"))
    words = [pack.conditioning(4096, 0, False, i) for i in (1, 2)]
    return model, pack.TinyVAE(16, 4, 8), words


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    path = write_tiny(tmp_path_factory.mktemp("models"))
    folder_paths.add_model_folder_path("diffusion_models", str(path.parent))
    with torch.inference_mode():
        model, clip, vae = SoraLoadModel.execute(NAME).args
        words = [SoraEncodePrompt.execute(clip, text).args[0] for text in ("a ball", "")]
    return model, vae, words


CASES = {
    "windows": ("wan", Canvas(width=32, height=32, seconds=49 / 8, fps=8)),
    "loop": ("ours", Canvas(width=32, height=32, seconds=2, fps=8, ring=True)),
    "loop in windows": ("ours", Canvas(width=32, height=32, seconds=6, fps=8, ring=True)),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def variant(request):
    """A model, its VAE and conditioning, and a canvas that it samples in one pass."""
    model, canvas = request.param
    return *request.getfixturevalue(model), canvas


class Killed(BaseException):
    """What nothing may catch."""


def generated(variant, sampler="euler", kill=None, seed=3, resume=True, **settings):
    """The latent, the report, and how often the network ran; killed after so many."""
    model, vae, words, canvas = variant
    latent = SoraEncodeCanvas.execute(canvas, vae).args[0]
    guider = SoraGuider.execute(
        model, *words, 4.0, 0.0, 1.0, 0.0, latent, 1.0, WINDOW, resume, **settings
    ).args[0]
    sigmas = SoraSchedule.execute(latent, STEPS, 0.0, 1.0).args[0]
    noise = SoraNoise.execute(seed).args[0].generate_noise(latent)
    ran = []

    def count(module, args):
        if len(ran) == kill:
            raise Killed
        ran.append(args)

    hook = model.model.diffusion_model.register_forward_pre_hook(count)
    try:
        result = guider.sample(
            noise,
            latent["samples"],
            comfy.samplers.sampler_object(sampler),
            sigmas,
            disable_pbar=True,
            seed=seed,
        )
    except Killed:
        return None, "", len(ran)
    finally:
        hook.remove()
    return result, guider.report, len(ran)


def preserved(output):
    """How many predictions are cached."""
    return sum(len(list(prediction_files(job))) for job in jobs(output / JOBS_FOLDER))


def test_killed_at_any_step_it_continues_to_the_same_bits_and_the_model_does_the_rest(
    variant, output
):
    whole, _, ran = generated(variant, resume=False)
    step = ran // STEPS
    for done in range(STEPS):
        generated(variant, kill=done * step + step // 2)
        there = preserved(output)
        again, message, rest = generated(variant)
        assert torch.equal(again, whole)
        assert (there, rest) == (done, ran - done * step)
        assert f"0 parts and {done} predictions" in message or done == 0
        SoraJobs.execute("all")


@pytest.mark.parametrize("sampler", ["heun", "dpmpp_2m_sde", "uni_pc", "euler_ancestral"])
def test_samplers_of_the_host_continue_to_the_same_bits(ours, output, sampler):
    variant = (*ours, CASES["loop"][1])
    once = (
        generated(variant, resume=False)[2] // STEPS
    )  # how often the network runs for a prediction
    whole, _, ran = generated(variant, sampler, resume=False)
    generated(variant, sampler, kill=ran // 2)
    there = preserved(output)
    again, message, rest = generated(variant, sampler)
    assert torch.equal(again, whole)
    assert (there, rest) == (ran // 2 // once, ran - there * once)
    assert "were already computed" in message


def test_what_is_done_is_kept_as_its_latent_alone_and_not_generated_again(ours, output):
    variant = (*ours, CASES["loop"][1])
    whole, *_ = generated(variant)
    (job,) = jobs(output / JOBS_FOLDER)
    assert len(list(job.iterdir())) == 2  # the manifest and the latent
    again, message, ran = generated(variant)
    assert torch.equal(again, whole)
    assert ran == 0 and "1 parts" in message


def test_another_seed_is_another_job(ours, output):
    variant = (*ours, CASES["loop"][1])
    *_, ran = generated(variant, resume=False)
    generated(variant, kill=ran - 1)
    *_, again = generated(variant, seed=4)
    assert again == ran
    assert len(jobs(output / JOBS_FOLDER)) == 2


@pytest.mark.parametrize("setting", [{"frame_levels": True}, {"hand_over": 0.5}])
def test_a_loop_with_another_setting_for_its_footage_is_another_job(wan, setting):
    canvas = CASES["loop"][1].place(Placement(source=torch.full((9, 32, 32, 3), 200).byte(), fps=8))
    generated((*wan, canvas))
    result, message, ran = generated((*wan, canvas), **setting)
    fresh, _, whole = generated((*wan, canvas), resume=False, **setting)
    assert torch.equal(result, fresh)
    assert ran == whole and "already" not in message


def test_a_loop_is_not_what_a_line_of_the_same_frames_is(ours):
    loop = Canvas(width=32, height=32, seconds=20 / 8, fps=8, ring=True)
    line = Canvas(width=32, height=32, seconds=17 / 8, fps=8)
    assert loop.grid() == line.grid()
    result = [generated((*ours, canvas))[0] for canvas in (loop, line)]
    assert not torch.equal(*result)


def test_nothing_is_kept_where_that_is_not_wanted_nor_of_what_is_generated_at_once(ours, output):
    generated((*ours, CASES["loop"][1]), resume=False)
    generated((*ours, Canvas(width=32, height=32, seconds=1, fps=8)))
    assert not (output / JOBS_FOLDER).exists()


def test_sora_jobs_says_how_far_it_is(ours):
    variant = (*ours, CASES["loop"][1])
    *_, ran = generated(variant, resume=False)
    generated(variant, kill=ran - 1)
    assert f"0 of 1 parts and {STEPS - 1} predictions" in SoraJobs.execute("nothing").args[0]


def test_the_guider_says_what_a_restart_needs(ours):
    model, vae, words = ours
    latent = SoraEncodeCanvas.execute(CASES["loop"][1], vae).args[0]
    message = SoraGuider.execute(model, *words, 4.0, 0.0, 1.0, 0.0, latent).ui["text"][0]
    assert "Each prediction, 0.0 MB, is cached for a restart" in message
