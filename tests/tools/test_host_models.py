"""Workflows for ComfyUI's own models name files that can be had, and settings that were trained."""

import json
import re

import pytest

from tools.draw_workflows import PREFIX
from tools.host import ROOT
from tools.host_models import ADDRESSES, TRAINED, files_of_models, models_property, note

WORKFLOWS = ROOT / "workflows"
LOADERS = {  # loader -> the folder of ComfyUI/models that it lists
    "UNETLoader": "diffusion_models",
    "CLIPLoader": "text_encoders",
    "DualCLIPLoader": "text_encoders",
    "VAELoader": "vae",
    "LoraLoaderModelOnly": "loras",
    "CLIPVisionLoader": "clip_vision",
    "CheckpointLoaderSimple": "checkpoints",
    "LTXVAudioVAELoader": "checkpoints",
}
LTX_2 = "host_ltx2_image_to_video_with_sound"  # its words and its network are in two folders
OFFICIAL = re.compile(
    r"https://huggingface\.co/(Comfy-Org|Lightricks)/[\w.-]+/resolve/main(/\w+)*$"
)


def graph(name):
    return json.loads((WORKFLOWS / "api" / f"{name}.json").read_text("utf-8"))


def drawing(name):
    return json.loads((WORKFLOWS / f"{PREFIX}{name}.json").read_text("utf-8"))


def of_kind(nodes, *kinds):
    return [node["inputs"] for node in nodes.values() if node["class_type"] in kinds]


def test_every_workflow_for_other_models_is_described_and_no_other():
    assert set(TRAINED) == {path.stem for path in WORKFLOWS.glob("api/host_*.json")}


def test_every_file_has_an_official_address_in_its_own_folder():
    for name, (folder, address) in ADDRESSES.items():
        assert OFFICIAL.match(address), name
        assert "/split_files/" not in address or address.endswith(f"/{folder}")


@pytest.mark.parametrize("name", TRAINED)
def test_every_loader_names_a_file_of_the_folder_it_lists(name):
    nodes = graph(name)
    found = files_of_models(nodes)
    loaders = {key for key, node in nodes.items() if "Loader" in node["class_type"]}
    assert set(found) == loaders
    for key, files in found.items():
        kind, folders = nodes[key]["class_type"], [ADDRESSES[file][0] for file in files]
        if kind == "LTXAVTextEncoderLoader":
            assert folders == ["text_encoders", "checkpoints"]
        else:
            assert set(folders) == {LOADERS[kind]}


def test_no_address_is_left_over():
    used = {
        file
        for name in TRAINED
        for files in files_of_models(graph(name)).values()
        for file in files
    }
    assert used == set(ADDRESSES)


@pytest.mark.parametrize("name", TRAINED)
def test_a_drawing_offers_its_files_for_download_and_lists_them_in_a_note(name):
    drawn, nodes = drawing(name), graph(name)
    offered = {
        str(node["id"]): node["properties"]["models"]
        for node in drawn["nodes"]
        if "models" in node["properties"]
    }
    files = files_of_models(nodes)
    assert offered == {key: models_property(names) for key, names in files.items()}
    (text,) = [node for node in drawn["nodes"] if node["type"] == "MarkdownNote"]
    assert text["widgets_values"] == [note(name, nodes)]
    assert all(file in note(name, nodes) for names in files.values() for file in names)


@pytest.mark.parametrize("name", TRAINED)
def test_the_settings_of_a_graph_are_those_of_its_note(name):
    nodes, trained = graph(name), TRAINED[name]
    (canvas,) = of_kind(nodes, "SoraCanvas")
    assert canvas["fps"] == trained.fps
    shifts = {f"{one['shift']:g}" for one in of_kind(nodes, "ModelSamplingSD3")}
    if name == LTX_2:
        (levels,) = of_kind(nodes, "ManualSigmas")
        steps = len(levels["sigmas"].split(",")) - 1
        assert shifts == set()
    else:
        steps = of_kind(nodes, "SoraSchedule", "KSampler")[0]["steps"]
        assert shifts == {trained.shift.partition(",")[0]}
    assert f"{steps} steps" in trained.sampling
    scales = of_kind(nodes, "SoraGuider") or of_kind(nodes, "KSampler")
    scale = scales[0].get("scale", scales[0].get("cfg"))
    assert re.search(rf"(scale|cfg) {scale:g}\b", trained.sampling)
    (sampler,) = {
        one.get("sampler_name", one.get("sampler"))
        for one in of_kind(nodes, "KSampler", "KSamplerSelect", "SoraSample")
    }
    assert trained.sampling.startswith(sampler)


@pytest.mark.parametrize("name", sorted(set(TRAINED) - {"host_wan_text_to_video"}))
def test_a_canvas_is_as_long_as_the_clips_that_the_model_was_trained_on(name):
    (canvas,) = of_kind(graph(name), "SoraCanvas")
    assert round(canvas["seconds"] * canvas["fps"]) == TRAINED[name].frames
