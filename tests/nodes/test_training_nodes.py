"""From a folder of the host to a plan, a tuned model and a LoRA that the stock loader takes."""

from pathlib import Path
from shutil import copytree

import comfy.model_management as devices
import comfy.sd
import comfy.utils
import folder_paths
import pytest
import torch
from PIL import Image
from sora_nodes.nodes import training as training_module
from sora_nodes.nodes.dataset import SoraDataset, SoraEncodeDataset
from sora_nodes.nodes.host.datasets import NO_FOLDER, dataset_folders, dataset_path
from sora_nodes.nodes.host.models.clip import load_clip
from sora_nodes.nodes.host.models.model import load_model
from sora_nodes.nodes.host.models.vae import load_vae
from sora_nodes.nodes.training import SoraSaveLora, SoraTrain
from sora_nodes.sora_core.checkpoints.checkpoint import read_config
from sora_nodes.sora_core.errors import ConfigError, PathError, TrainingError

from tests.support.clips import captioned_clip
from tests.support.tiny import write_tiny

DATASET = {
    "width": 64,
    "height": 64,
    "frames": 17,
    "fps": 8.0,
    "parts": 8,
    "held_out": 0.3,
    "shots": False,
    "uncaptioned": False,
}
RUN = {"name": "run", "rank": 2, "steps": 2, "batch": 1, "rate": 0.01, "seed": 0}


@pytest.fixture(scope="module")
def module_inputs(tmp_path_factory) -> Path:
    """An input folder of the host, with four clips and a broken file in `clips`."""
    folder = tmp_path_factory.mktemp("host") / "input"
    (folder / "clips").mkdir(parents=True)
    for i in range(3):
        captioned_clip(folder / "clips", f"{i}.mp4", seed=i, caption=f"clip {i}")
    captioned_clip(folder / "clips", "tall.mp4", seed=3, width=48, height=80)
    (folder / "clips" / "broken.mp4").write_bytes(b"x")
    return folder


@pytest.fixture
def inputs(module_inputs, tmp_path, monkeypatch) -> Path:
    """A copy of these files as the host's input folder, to be changed."""
    folder = copytree(module_inputs, tmp_path / "input")
    monkeypatch.setattr(folder_paths, "input_directory", str(folder))
    return folder


@pytest.fixture(scope="module")
def module_model(tmp_path_factory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("model"))


@pytest.fixture
def model(module_model, monkeypatch) -> Path:
    monkeypatch.setattr(training_module, "model_path", lambda name: module_model)
    return module_model


@pytest.fixture(scope="module")
def plan(module_inputs):
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(folder_paths, "input_directory", str(module_inputs))
        return SoraDataset.execute("input/clips", **DATASET).args[0]


@pytest.fixture(scope="module")
def run(plan, module_model, tmp_path_factory):
    """The output folder of a finished run, and what Sora Train returned of it."""
    output = tmp_path_factory.mktemp("output")
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(folder_paths, "output_directory", str(output))
        patch.setattr(training_module, "model_path", lambda name: module_model)
        return output, trained(plan).args


def trained(plan, **changes):
    return SoraTrain.execute(plan, "tiny", **(RUN | changes))


def test_only_folders_with_media_in_the_hosts_folders_are_listed(inputs, output, tmp_path):
    (inputs / "texts").mkdir()
    (inputs / "texts" / "a.txt").touch()
    (inputs / ".hidden").mkdir()
    captioned_clip(inputs / ".hidden", "a.mp4")
    (output / "made").mkdir(parents=True)
    captioned_clip(output / "made", "a.mp4")
    (tmp_path / "elsewhere").mkdir()
    captioned_clip(tmp_path / "elsewhere", "a.mp4")
    assert dataset_folders() == [NO_FOLDER, "input/clips", "output/made"]


@pytest.mark.parametrize("name", ["input/../elsewhere", "/etc", "input", "", NO_FOLDER])
def test_no_other_folder_is_read(inputs, name):
    with pytest.raises((ConfigError, PathError)):
        dataset_path(name)


def test_without_a_folder_the_sentence_says_where_to_put_one(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path / "input"))
    assert dataset_folders() == [NO_FOLDER]
    with pytest.raises(ConfigError, match="input folder"):
        dataset_path(NO_FOLDER)


def test_a_dataset_is_a_table_with_thumbnails(inputs):
    result = SoraDataset.execute("input/clips", **DATASET)
    plan, picture, table = result.args
    assert len(plan.clips) == 4 and "left out: broken.mp4" in table
    assert picture.shape[0] == 1 and picture.shape[3] == 3
    assert picture[0, :, :90].std() > 0.05  # the thumbnails
    assert result.ui["text"] == (table,) and result.ui["images"]


def test_a_changed_folder_is_planned_again(inputs):
    before = SoraDataset.fingerprint_inputs("input/clips", **DATASET)
    assert SoraDataset.fingerprint_inputs("input/clips", **DATASET) == before
    (inputs / "clips" / "0.txt").write_text("another caption")
    assert SoraDataset.fingerprint_inputs("input/clips", **DATASET) != before


def test_the_lists_for_the_hosts_trainer_have_a_latent_and_a_conditioning_a_clip(plan, model):
    vae, clip = load_vae(model, read_config(model)), load_clip(model)
    latents, positive = SoraEncodeDataset.execute(plan, vae, clip, "train").args
    shapes = [tuple(latent["samples"].shape) for latent in latents]
    count = len(plan.of_split("train"))
    assert len(shapes) == len(positive) == count
    assert set(shapes) <= {(1, 16, 5, 8, 8), (1, 16, 5, 10, 6)}
    assert all(cond[0][1]["frame_rate"] == 8.0 for cond in positive)


def test_training_returns_a_tuned_model_its_weights_and_the_curve(run):
    output, (tuned, weights, curve, report) = run
    assert weights.is_lora and weights.file.exists()
    assert tuned.patches  # the LoRA is on the model
    assert curve.shape[0] == 1 and "run: 2 steps" in report
    assert (output / "sora_training/run/report.html").exists()


def test_a_saved_lora_is_loaded_by_the_stock_loader(run, model, output):
    _, (_, weights, _, _) = run
    name = SoraSaveLora.execute(weights, "folder/mine").args[0]
    assert name == "folder/mine_00001.safetensors"
    lora = comfy.utils.load_torch_file(str(output / "loras" / name), safe_load=True)
    start = load_model(model, read_config(model))
    patched, _ = comfy.sd.load_lora_for_models(start, None, lora, 1.0, 0.0)
    assert len(patched.patches) * 3 == len(lora)  # A, B and alpha of each layer
    assert SoraSaveLora.execute(weights, "folder/mine").args[0].endswith("_00002.safetensors")


def test_all_weights_are_saved_as_a_model_that_loads(plan, model, output):
    tuned, weights, _, _ = trained(plan, rank=0).args
    name = SoraSaveLora.execute(weights, "whole").args[0]
    config = read_config(output / "diffusion_models" / name)
    assert config.transformer == read_config(model).transformer
    assert not tuned.patches


def test_cancel_saves_the_run_and_the_same_node_continues_it(plan, model, output, monkeypatch):
    whole = trained(plan, name="whole", steps=3).args[1]
    asked = []

    def cancelled_after_the_first_step():
        asked.append(True)
        if len(asked) == 1:
            devices.interrupt_current_processing()
        return len(asked) == 1

    monkeypatch.setattr(devices, "processing_interrupted", cancelled_after_the_first_step)
    with pytest.raises(devices.InterruptProcessingException):
        trained(plan, steps=3)
    resumed = trained(plan, steps=3).args[1]
    ends = [comfy.utils.load_torch_file(str(one.file)) for one in (whole, resumed)]
    assert ends[0].keys() == ends[1].keys()
    for key, value in ends[0].items():
        assert torch.equal(value, ends[1][key]), key


def test_a_folder_of_all_kinds_is_planned_trained_on_and_saved(inputs, output, model):
    """Vertical footage, a GIF, a still, folders inside, names of other scripts, a table."""
    clips = inputs / "phone"
    (clips / "\u0432\u0438\u0434\u0435\u043e").mkdir(parents=True)
    captioned_clip(clips, "IMG_1.MOV", seed=1, width=48, height=96)
    captioned_clip(
        clips, "\u0432\u0438\u0434\u0435\u043e/caf\u00e9.mp4", seed=2, caption="word " * 2000
    )
    frames = [Image.new("RGB", (40, 32), (50 * i, 0, 90)) for i in range(5)]
    frames[0].save(clips / "a.gif", save_all=True, append_images=frames[1:], duration=125)
    frames[1].save(clips / "b.png")
    captioned_clip(clips, "copy.mp4", seed=1, width=48, height=96)
    (clips / "copy.mp4").write_bytes((clips / "IMG_1.MOV").read_bytes())
    (clips / "metadata.csv").write_text("id;file_name;text\n1;a.gif;it turns red\n2;b.png;red\n")
    plan, _, table = SoraDataset.execute("input/phone", **DATASET).args
    assert len(plan.clips) == 4 and "copy.mp4: the same content" in table
    _, weights, curve, report = trained(plan, name="kinds", batch=2).args
    assert curve.shape[-1] == 3 and "lost" not in report
    name = SoraSaveLora.execute(weights, "kinds").args[0]
    assert (output / "loras" / name).is_file()


def test_what_changed_between_the_nodes_is_in_the_report(inputs, output, model):
    plan = SoraDataset.execute("input/clips", **DATASET).args[0]
    gone, edited = plan.sources("train")[:2]
    (inputs / "clips" / gone).unlink()
    (inputs / "clips" / edited).with_suffix(".txt").write_text("edited")
    report = trained(plan, name="changed").args[3]
    assert f"lost: {gone}: the file is gone" in report
    assert "has changed since the plan" in report


def test_other_settings_do_not_overwrite_a_run(plan, model, run, monkeypatch):
    monkeypatch.setattr(folder_paths, "output_directory", str(run[0]))
    with pytest.raises(TrainingError, match="rate"):
        trained(plan, rate=0.02)


@pytest.mark.parametrize("name", ["../outside", "/etc/x", "a\\b"])
def test_runs_and_weights_stay_in_their_folders(plan, model, run, name):
    with pytest.raises(PathError):
        trained(plan, name=name)
    _, (_, weights, _, _) = run
    with pytest.raises(PathError):
        SoraSaveLora.execute(weights, name)


def test_a_wrong_connection_is_a_sentence():
    with pytest.raises(ConfigError, match="Sora Dataset"):
        trained({})
    with pytest.raises(ConfigError, match="Sora Train"):
        SoraSaveLora.execute({}, "x")
