"""From a folder of the host to a plan, a tuned model and a LoRA that the stock loader takes."""

from pathlib import Path
from shutil import copytree, rmtree

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
from sora_nodes.sora_core.errors import ConfigError, MediaError, PathError, TrainingError
from sora_nodes.sora_core.training.own.curve_picture import CURVE_SIZE

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


def linked(path, target):
    try:
        path.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this system makes no links")


def test_a_link_to_a_folder_outside_is_not_listed_and_not_read(inputs, tmp_path):
    captioned_clip(tmp_path, "private.mp4")
    linked(inputs / "linked", tmp_path)
    linked(inputs / "clips" / "linked", tmp_path)
    assert dataset_folders() == [NO_FOLDER, "input/clips"]
    for name in ("input/linked", "input/clips/linked"):
        with pytest.raises(ConfigError):
            dataset_path(name)
    table = SoraDataset.execute("input/clips", **DATASET).args[2]
    assert "left out: linked: a link to a folder" in table and "private" not in table


@pytest.mark.parametrize("name", ["more.mp4", "0.txt", "metadata.jsonl", "inner/more.png"])
def test_a_link_to_a_file_outside_is_refused_by_name(inputs, tmp_path, name):
    (tmp_path / "private").write_text("private")
    place = inputs / "clips" / name
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    linked(place, tmp_path / "private")
    with pytest.raises(PathError, match=f"{name}' is a link that leads out"):
        SoraDataset.execute("input/clips", **DATASET)


def test_a_link_within_the_hosts_folders_is_read(inputs):
    captioned_clip(inputs, "elsewhere.mp4", seed=9)
    linked(inputs / "clips" / "linked.mp4", inputs / "elsewhere.mp4")
    (inputs / "clips" / "linked.txt").write_text("linked")
    assert "linked.mp4" in SoraDataset.execute("input/clips", **DATASET).args[2]


def test_a_run_in_a_linked_folder_outside_is_refused(plan, model, output, tmp_path):
    (tmp_path / "outside").mkdir()
    (output / "sora_training").mkdir(parents=True)
    linked(output / "sora_training" / "linked", tmp_path / "outside")
    with pytest.raises(PathError, match="leads out"):
        trained(plan, name="linked")
    assert not any((tmp_path / "outside").iterdir())


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


@pytest.mark.slow
def test_all_weights_are_saved_as_a_model_that_loads(plan, model, output):
    tuned, weights, _, _ = trained(plan, rank=0).args
    name = SoraSaveLora.execute(weights, "whole").args[0]
    config = read_config(output / "diffusion_models" / name)
    assert config.transformer == read_config(model).transformer
    assert not tuned.patches


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_cancel_within_a_validation_repeats_it_with_the_same_result(
    plan, model, output, monkeypatch
):
    whole = trained(plan, name="whole", steps=2)
    asked = []

    def cancelled_in_the_validation():
        asked.append(True)
        if len(asked) == 5:  # 2 are after the steps
            devices.interrupt_current_processing()
        return len(asked) == 5

    monkeypatch.setattr(devices, "processing_interrupted", cancelled_in_the_validation)
    with pytest.raises(devices.InterruptProcessingException):
        trained(plan, steps=2)
    assert not list((output / "sora_training/run").glob("sheet-*.png"))
    resumed = trained(plan, steps=2)
    histories = [output / "sora_training" / name / "history.jsonl" for name in ("whole", "run")]
    assert histories[0].read_text() == histories[1].read_text()
    assert torch.equal(whole.args[2], resumed.args[2])  # the curves


@pytest.mark.slow
def test_the_node_shows_a_bar_the_curve_and_the_samples(plan, model, output, monkeypatch):
    reported = []

    def note(value, total, preview, node_id=None):
        reported.append((value, total, preview and preview[1].size))

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", note)
    result = trained(plan, steps=5)
    steps = [value for value, total, _ in reported if total == 5]  # 4 are the clips
    assert steps == sorted(steps) and set(steps) == {1, 2, 3, 4, 5}
    sizes = [size for *_, size in reported if size]
    assert sizes[0] == CURVE_SIZE  # no samples yet
    assert sizes[-1][0] == CURVE_SIZE[0] and sizes[-1][1] > CURVE_SIZE[1] + 50
    (displayed,) = result.ui["images"]
    with Image.open(Path(folder_paths.get_temp_directory()) / displayed["filename"]) as image:
        assert image.size == sizes[-1]
    assert result.args[2].shape[1:3] == CURVE_SIZE[::-1]


@pytest.mark.slow
def test_the_report_of_the_node_warns_where_the_held_out_loss_turns(
    plan, model, output, monkeypatch
):
    assert "has risen since" not in trained(plan).args[3]
    monkeypatch.setattr(
        "sora_nodes.sora_core.training.own.reporting.turned_at", lambda losses: losses[0][0]
    )
    assert "held-out loss has risen since step 2" in trained(plan, steps=3).args[3]


@pytest.mark.slow
def test_a_name_twice_with_other_settings_is_refused_and_with_the_same_gives_the_same(
    plan, model, output
):
    first, again = (trained(plan, name="twice").args for _ in range(2))
    assert torch.equal(first[2], again[2]) and first[3] == again[3]
    before = (output / "sora_training/twice/last.safetensors").read_bytes()
    with pytest.raises(TrainingError, match="rank was 2 in 'twice'"):
        trained(plan, name="twice", rank=4)
    assert (output / "sora_training/twice/last.safetensors").read_bytes() == before


@pytest.mark.slow
def test_a_folder_that_has_disappeared_is_a_sentence_and_what_is_cached_is_trained_on(
    inputs, output, model
):
    plan = SoraDataset.execute("input/clips", **DATASET).args[0]
    trained(plan, name="before")
    rmtree(inputs / "clips")
    with pytest.raises(ConfigError, match="input/clips"):
        SoraDataset.execute("input/clips", **DATASET)
    assert "run 2" not in trained(plan, name="after").args[3]
    rmtree(output / "sora_training" / ".cache")
    with pytest.raises((TrainingError, MediaError), match="no clip is left to train on"):
        trained(plan, name="never")


def test_a_run_whose_folder_disappears_meanwhile_is_a_sentence(plan, model, output, monkeypatch):
    asked = []

    def remove_the_folder():
        asked.append(True)
        if len(asked) == 1:
            rmtree(output / "sora_training" / "run")
        return False

    monkeypatch.setattr(devices, "processing_interrupted", remove_the_folder)
    with pytest.raises(TrainingError, match="of the run 'run'"):
        trained(plan)


@pytest.mark.parametrize("content", [b"", b"no video"], ids=["empty", "broken"])
def test_a_folder_without_a_usable_clip_is_a_sentence_with_the_reason(inputs, content):
    (inputs / "none").mkdir()
    (inputs / "none" / "a.mp4").write_bytes(content)
    with pytest.raises(TrainingError, match=r"'none': nothing to train on. a.mp4:"):
        SoraDataset.execute("input/none", **DATASET)


@pytest.mark.slow
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


@pytest.mark.slow
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
