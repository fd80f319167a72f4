"""ComfyUI's own Train LoRA learns from the clips of a Sora Dataset, on our MODEL."""

import comfy.sd
import folder_paths
import pytest
import torch
from comfy_extras.nodes_train import TrainLoraNode
from sora_nodes.nodes.dataset import SoraDataset, SoraEncodeDataset
from sora_nodes.nodes.host.models.clip import load_clip
from sora_nodes.nodes.host.models.model import load_model
from sora_nodes.nodes.host.models.vae import load_vae
from sora_nodes.sora_core.checkpoints.checkpoint import read_config

from tests.support.clips import captioned_clip
from tests.support.tiny import write_tiny

INPUTS = {one.id: getattr(one, "default", None) for one in TrainLoraNode.define_schema().inputs}
ONE_SIZE, SIZES = ((64, 64),), ((64, 64), (48, 80))
needs_five_axes = pytest.mark.skipif(
    "bucket_mode" not in INPUTS,
    reason="this ComfyUI repeats a latent of the first size along four axes, and video has five",
)


@pytest.fixture
def model(tmp_path):
    return write_tiny(tmp_path / "model")


def dataset(folder, sizes, frames=5):
    (folder / "clips").mkdir(parents=True)
    for i in range(3):
        width, height = sizes[i % len(sizes)]
        captioned_clip(
            folder / "clips", f"{i}.mp4", seed=i, width=width, height=height, caption=f"clip {i}"
        )
    planned = {"width": 64, "height": 64, "frames": frames, "fps": 8.0, "parts": 1}
    planned |= {"held_out": 0.0, "shots": False, "uncaptioned": False}
    return SoraDataset.execute("input/clips", **planned).args[0]


def trained(model, plan, **changes):
    """A MODEL of ours, the LoRA that the host trained for it, and the loss of each step.

    All in inference mode, in which the host executes every node.
    """
    with torch.inference_mode():
        ours, vae = load_model(model, read_config(model)), load_vae(model, read_config(model))
        lists = SoraEncodeDataset.execute(plan, vae, load_clip(model), "train").args
        chosen = {name: [value] for name, value in (INPUTS | changes).items()}
        chosen |= dict(zip(("latents", "positive"), lists, strict=True)) | {"model": [ours]}
        results = TrainLoraNode.execute(**chosen).args
    losses = next(part["loss"] for part in results if isinstance(part, dict) and "loss" in part)
    lora = next(part for part in results if isinstance(part, dict) and "loss" not in part)
    return ours, lora, losses


@pytest.mark.parametrize(
    "sizes", [ONE_SIZE, pytest.param(SIZES, marks=needs_five_axes)], ids=["one size", "two sizes"]
)
@pytest.mark.parametrize("frames", [1, 5])
def test_train_lora_at_its_defaults_takes_every_clip(tmp_path, monkeypatch, model, sizes, frames):
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path / "input"))
    plan = dataset(tmp_path / "input", sizes, frames)
    assert len({(clip.width, clip.height) for clip in plan.clips}) == len(sizes)
    ours, lora, losses = trained(model, plan, steps=3, batch_size=2)
    assert len(losses) == 3 and all(0 < loss < 100 for loss in losses)
    patched, _ = comfy.sd.load_lora_for_models(ours, None, lora, 1.0, 0.0)
    blocks = {key for key in patched.patches if ".blocks." in key}
    assert len(blocks) > 4


@pytest.mark.slow
def test_train_lora_lowers_its_loss_on_the_clips(tmp_path, monkeypatch, model):
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path / "input"))
    plan = dataset(tmp_path / "input", ONE_SIZE)
    precise = {"training_dtype": "fp32", "lora_dtype": "fp32", "gradient_checkpointing": False}
    _, _, losses = trained(model, plan, steps=40, batch_size=3, learning_rate=0.01, **precise)
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
