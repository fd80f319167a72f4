"""The host's nodes that load a model anew work on the MODEL of Sora Load Model."""

import importlib
import inspect

import comfy_extras.nodes_train
import folder_paths
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.loaders import SoraLoadModel
from sora_nodes.nodes.prompt import SoraEncodePrompt
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas.canvas import Canvas

from tests.support.tiny import NAME, write_tiny


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    path = write_tiny(tmp_path)
    kinds = folder_paths.folder_names_and_paths
    folders = ([str(path.parent)], {".safetensors"})
    monkeypatch.setitem(kinds, "diffusion_models", folders)
    return SoraLoadModel.execute(NAME).args


def multigpu():
    try:
        return importlib.import_module("comfy_extras.nodes_multigpu")
    except ModuleNotFoundError:
        pytest.skip("this ComfyUI has no nodes for several GPUs")


def weights(model):
    return model.model.diffusion_model.state_dict()


def sampled(model, words, latent):
    guider = SoraGuider.execute(model, words, words, 1.0, 0.0, 1.0, 0.0, latent).args[0]
    sigmas = SoraSchedule.execute(latent, 2, 0.0, 1.0).args[0]
    noise = SoraNoise.execute(3).args[0]
    return SoraSample.execute(noise, guider, sigmas, latent, "euler").args[0]["samples"]


def test_a_copy_for_another_device_has_weights_of_its_own_and_the_same_results(loaded):
    multigpu()
    model, text, vae = loaded
    copied = model.deepclone_multigpu(new_load_device=torch.device("cpu"))
    assert copied.model is not model.model
    first, second = weights(model), weights(copied)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(first[name].data_ptr() != second[name].data_ptr() for name in first)
    words = SoraEncodePrompt.execute(text, "a ball").args[0]
    canvas = Canvas(width=32, height=32, seconds=5 / 8)
    latent = SoraEncodeCanvas.execute(canvas, vae).args[0]
    assert torch.equal(sampled(model, words, latent), sampled(copied, words, latent))


@pytest.mark.parametrize("device", ["default", "cpu", "gpu:3"])
def test_a_device_is_selected_for_the_model(loaded, device):
    model, text, vae = loaded
    node = multigpu().SelectModelDeviceNode
    chosen = node.execute(model, device).args[0]
    words = SoraEncodePrompt.execute(text, "a ball").args[0]
    canvas = Canvas(width=32, height=32, seconds=5 / 8)
    latent = SoraEncodeCanvas.execute(canvas, vae).args[0]
    assert torch.equal(sampled(model, words, latent), sampled(chosen, words, latent))


def test_work_is_split_among_gpus_where_there_are_some(loaded):
    model, *_ = loaded
    node = multigpu().MultiGPUCFGSplitNode
    assert weights(node.execute(model, 2).args[0]).keys() == weights(model).keys()


def test_train_lora_trains_the_model(loaded):
    model, text, _ = loaded
    words = SoraEncodePrompt.execute(text, "a ball").args[0]
    channels = model.model.latent_format.latent_channels
    latents = [
        {"samples": torch.randn(1, channels, 2, 4, 4, generator=torch.Generator().manual_seed(i))}
        for i in (0, 1)
    ]
    settings = {
        "batch_size": 1,
        "steps": 2,
        "grad_accumulation_steps": 1,
        "learning_rate": 1e-3,
        "rank": 2,
        "optimizer": "AdamW",
        "loss_function": "MSE",
        "seed": 0,
        "training_dtype": "fp32",
        "lora_dtype": "fp32",
        "quantized_backward": False,
        "algorithm": "LoRA",
        "gradient_checkpointing": False,
        "checkpoint_depth": 1,
        "offloading": False,
        "existing_lora": "[None]",
        "bucket_mode": False,
        "bypass_mode": False,
    }
    node = comfy_extras.nodes_train.TrainLoraNode
    known = inspect.signature(node.execute).parameters
    arguments = {name: [value] for name, value in settings.items() if name in known}
    with torch.inference_mode(False):
        plain = [{"samples": each["samples"].clone()} for each in latents]
        states = [[cond[0].clone(), cond[1]] for cond in words]
        trained = node.execute(model=[model], latents=plain, positive=[states], **arguments).args
    lora = next(each for each in trained if isinstance(each, dict) and "loss" not in each)
    assert lora and all(weight.isfinite().all() for weight in lora.values())
    assert any(name.startswith("diffusion_model.") for name in lora)
