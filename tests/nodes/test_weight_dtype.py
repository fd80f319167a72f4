"""The loader's weight_dtype decides the arithmetic of model and VAE, as in the core."""

import folder_paths
import pytest
import torch
from sora_nodes.nodes.decode import SoraDecodeFrames
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.models import precision
from sora_nodes.nodes.loaders import SoraLoadModel
from sora_nodes.nodes.prompt import SoraEncodePrompt
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import ConfigError
from sora_nodes.sora_core.models import precision as core

from tests.support.tiny import NAME, write_tiny

CANVAS = Canvas(width=32, height=32, seconds=9 / 8, fps=8.0)


@pytest.fixture(scope="module", autouse=True)
def path(tmp_path_factory):
    path = write_tiny(tmp_path_factory.mktemp("models"))
    folder_paths.add_model_folder_path("diffusion_models", str(path.parent))
    return path


@pytest.fixture
def with_bfloat16(monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)


def frames(weight_dtype):
    model, clip, vae = SoraLoadModel.execute(NAME, weight_dtype).args
    words, nothing = (SoraEncodePrompt.execute(clip, text).args[0] for text in ("a ball", ""))
    latent = SoraEncodeCanvas.execute(CANVAS, vae).args[0]
    guider = SoraGuider.execute(model, words, nothing, 4.0, 0.0, 1.0, 0.0).args[0]
    sigmas = SoraSchedule.execute(latent, 2, 0.0, 1.0).args[0]
    noise = SoraNoise.execute(0).args[0]
    latent = SoraSample.execute(noise, guider, sigmas, latent, "euler").args[0]
    return SoraDecodeFrames.execute(latent, vae).args[0]


def test_bf16_changes_the_frames_by_little_and_fp32_is_the_default_on_a_cpu(with_bfloat16):
    default, exact, fast = (frames(name) for name in ("default", "fp32", "bf16"))
    assert torch.equal(default, exact)
    assert 0 < (fast - exact).abs().mean() < 0.02


def test_encoding_has_the_same_bits_in_bf16(with_bfloat16):
    images = torch.rand(9, 32, 32, 3)
    exact, fast = (SoraLoadModel.execute(NAME, name).args[2] for name in ("fp32", "bf16"))
    assert torch.equal(exact.encode(images), fast.encode(images))


def test_a_processor_without_bfloat16_takes_float32_and_logs_it(monkeypatch, caplog):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: False)
    model, _, vae = SoraLoadModel.execute(NAME, "bf16").args
    for network in (model.model.diffusion_model, vae.first_stage_model):
        assert {x.dtype for x in network.state_dict().values()} == {torch.float32}
    assert "has no bfloat16, so float32 is used" in caplog.text


def test_a_gpu_takes_bf16_for_the_whole_network_as_by_the_hosts_own_choice(with_bfloat16):
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert precision.chosen_dtype("bf16", gpu) == precision.ChosenDtype(torch.bfloat16)
    assert precision.chosen_dtype("bf16", cpu) == precision.ChosenDtype(torch.float32, True)
    assert precision.chosen_dtype("default", gpu) == precision.ChosenDtype()


def test_a_workflow_saved_before_the_input_existed_runs_as_before():
    model = SoraLoadModel.execute(NAME).args[0]
    assert {x.dtype for x in model.model.diffusion_model.state_dict().values()} == {torch.float32}
    assert SoraLoadModel.fingerprint_inputs(NAME) == SoraLoadModel.fingerprint_inputs(NAME, "bf16")


def test_an_unknown_weight_dtype_is_refused():
    with pytest.raises(ConfigError, match="weight_dtype"):
        SoraLoadModel.execute(NAME, "fp4")


def test_the_core_and_the_node_ask_the_same_question():
    assert precision.has_bfloat16 is core.has_bfloat16
