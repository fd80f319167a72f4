"""ComfyUI's own LoRA loader takes a LoRA that the trainer wrote, and gives its predictions."""

import comfy.sd
import comfy.utils
import folder_paths
import pytest
import torch
from sora_nodes.nodes.loaders import SoraLoadModel

import nodes as stock
from sora_core.checkpoints.checkpoint import load_transformer, read_config
from sora_core.checkpoints.lora_file import HOST_TEXT_PREFIX, write_lora
from sora_core.checkpoints.text_file import load_text
from sora_core.training.lora import add_lora, add_lora_to
from tests.support.tiny import NAME, write_tiny


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A tiny model, and a LoRA of it with weights as after a training."""
    folder = tmp_path_factory.mktemp("models")
    path = write_tiny(folder)
    with torch.inference_mode(False):
        dit = add_lora(load_transformer(path, read_config(path)), 4, 8.0)
        torch.manual_seed(5)
        for name, weight in dit.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.05)
        trained = {name: p for name, p in dit.named_parameters() if p.requires_grad}
        write_lora(folder / "trained.safetensors", trained, 4, 8.0)
    folder_paths.add_model_folder_path("diffusion_models", str(folder))
    folder_paths.add_model_folder_path("loras", str(folder))
    return path, dit


def velocity(model, x, sigma, text):
    return model.model.diffusion_model(x, torch.full((len(x),), 1000 * sigma), text)


def test_the_stock_lora_loader_gives_the_trained_predictions(files):
    path, dit = files
    model, clip, _ = SoraLoadModel.execute(path.name).args
    assert path.name == NAME
    loaded = stock.LoraLoader().load_lora(model, clip, "trained.safetensors", 1.0, 1.0)[0]
    x, text, sigma = torch.randn(1, 16, 2, 4, 4), torch.randn(1, 3, 384), 0.5
    plain = velocity(model, x, sigma, text)
    clean = dit(x, torch.full((1, 1, 1, 1, 1), sigma), text)
    loaded.patch_model()
    try:
        patched = velocity(loaded, x, sigma, text)
    finally:
        loaded.unpatch_model()
    error = (patched - (x - clean) / sigma).abs().max() / (plain - patched).abs().max()
    print(f"stock LoRA loader: {error:.2g} of the LoRA's effect away from the trained model")
    assert error < 0.03  # the LoRA is stored in half precision


def test_the_stock_lora_loader_gives_the_states_of_a_trained_text_encoder(files):
    path, _ = files
    model, clip, _ = SoraLoadModel.execute(path.name).args
    prompt = "a red ball rolls over the blue floor"
    with torch.inference_mode(False):
        encoder, tokenizer = load_text(path)
        add_lora_to(encoder, 4, 8.0)
        torch.manual_seed(6)
        for name, weight in encoder.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.05)
        trained = {name: p for name, p in encoder.named_parameters() if p.requires_grad}
        file = path.with_name("text.safetensors")
        write_lora(file, trained, 4, 8.0, host_prefix=HOST_TEXT_PREFIX)
        with torch.no_grad():
            expected = encoder(torch.tensor([tokenizer.tokenize(prompt).ids]))
    tensors = comfy.utils.load_torch_file(str(file))
    _, loaded = comfy.sd.load_lora_for_models(model, clip, tensors, 1.0, 1.0)
    assert len(loaded.patcher.patches) == len(tensors) / 3
    states, plain = (one.encode_from_tokens(one.tokenize(prompt)) for one in (loaded, clip))
    error = (states - expected).abs().max() / (states - plain).abs().max()
    print(f"stock LoRA loader, text: {error:.2g} of the LoRA's effect away from the trained states")
    assert error < 0.03


def test_every_key_of_the_lora_finds_its_layer(files, caplog):
    model, clip, _ = SoraLoadModel.execute(files[0].name).args
    tensors = comfy.utils.load_torch_file(str(files[0].with_name("trained.safetensors")))
    patched, _ = comfy.sd.load_lora_for_models(model, clip, tensors, 1.0, 1.0)
    assert len(patched.patches) == len(tensors) / 3
    assert "not loaded" not in caplog.text
