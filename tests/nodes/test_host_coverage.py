"""No video class and no video node of the host is missing from the tables of docs/host_models.md.

Each outcome there is one that a test has: a comparison, a refusal, or every edit sampled.
"""

import importlib
import inspect
import pkgutil
import re

import comfy.supported_models
import comfy_extras
import pytest
from comfy_api.latest import io
from sora_nodes.nodes.host.guidance.conditioning_support import conditioning_support
from sora_nodes.sora_core.errors import ConfigError

from tests.nodes.test_conditioning_of_the_host import BESIDE, START_IMAGES
from tests.nodes.test_host_node_inputs import NODES, humo
from tests.support.families import FAMILIES, REFUSED_FAMILIES, host_model
from tools.host import ROOT

LINES = (ROOT / "docs" / "host_models.md").read_text(encoding="utf-8").splitlines()
OTHER_NODES = {  # of images, of sound alone, of 3D objects, and those for any latent
    "ControlNetApplySD3",
    "ControlNetInpaintingAliMamaApply",
    "InstructPixToPixConditioning",
    "LTXVAudioVAEEncode",
    "LTXVEmptyLatentAudio",
    "LTXVLatentUpsampler",
    "MakeTrainingDataset",
    "SV3D_Conditioning",
    "StableCascade_StageC_VAEEncode",
    "StableCascade_SuperResolutionControlnet",
    "StableZero123_Conditioning",
    "StableZero123_Conditioning_Batched",
    "Trellis2UpsampleStage",
    "TripoSplatConditioning",
    "VAEEncodeAudio",
}
IMAGE_ENCODERS = r"TextEncode\w+"  # for models that edit images
ANOTHER_FILE = ("LTXAV",)  # a family of test_sound_latent
COMPARED_ELSEWHERE = {  # than in test_host_node_inputs
    "LTXVAddGuide": "test_guide_frames",
    "LTXVReferenceAudio": "test_sound_latent",
    "WanInfiniteTalkToVideo": "test_infinite_talk",
    "WanFirstLastFrameToVideo": "test_pixel_footage",
    "WanVaceToVideo": "test_vace",
    "CFGGuider": "test_sound_latent",
}


def rows_under(heading):
    """The outcome of each row of the table under `| heading | outcome |`."""
    start = LINES.index(f"| {heading} | outcome |") + 2
    rows = {}
    for line in LINES[start:]:
        if not line.startswith("|"):
            break
        name, outcome = (cell.strip() for cell in line.strip("|").split("|"))
        rows[name] = outcome
    return rows


CLASSES, VIDEO_NODES = rows_under("class"), rows_under("node")
HERE = [name for name in CLASSES if hasattr(comfy.supported_models, name)]


def with_kind(kind):
    return [name for name in HERE if CLASSES[name].partition(":")[0] == kind]


def test_every_class_with_a_time_axis_has_an_outcome():
    timed = {
        kind.__name__
        for kind in comfy.supported_models.models
        if getattr(kind.latent_format, "latent_dimensions", 2) == 3
    }
    print(f"classes with a time axis: {len(timed)}")
    assert timed - CLASSES.keys() == set()
    assert {CLASSES[name].partition(":")[0] for name in CLASSES} == {"compared", "refused", "none"}


@pytest.mark.parametrize("name", with_kind("compared"))
def test_a_comparison_is_one_that_a_test_makes(name):
    for node in CLASSES[name].partition(":")[2].split(","):
        assert compared(node.strip())
    assert name in ANOTHER_FILE or name in {each.config for each in FAMILIES.values()}


def compared(node):
    """Whether a comparison of what the network gets calls `node`."""
    if node in COMPARED_ELSEWHERE:
        path = ROOT / "tests" / "nodes" / f"{COMPARED_ELSEWHERE[node]}.py"
        return f"{node}.execute" in (text := path.read_text("utf-8")) or f"{node}(model)" in text
    functions = (*NODES.values(), humo)
    return any(re.search(rf"\.{node}\b", inspect.getsource(each)) for each in functions)


@pytest.mark.parametrize("name", with_kind("none"))
def test_every_edit_is_sampled_on_a_class_without_a_node(name):
    assert name in {each.config for each in FAMILIES.values()}


@pytest.mark.parametrize("name", with_kind("refused"))
def test_a_refusal_is_a_sentence_with_the_words_of_the_table(name):
    words = CLASSES[name].partition(":")[2].strip()
    entries = [each for each, _ in REFUSED_FAMILIES.values() if each.config == name]
    model = host_model(entries[0]).model if entries else without_network(name)
    with pytest.raises(ConfigError, match=words):
        conditioning_support(model)


def without_network(name):
    """A model of the host's class `name` whose network is not built."""
    kind = getattr(comfy.supported_models, name)
    config = kind(dict(kind.unet_config))
    config.unet_config = config.unet_config | {"disable_unet_model_creation": True}
    return config.get_model({}, "")


def test_every_node_that_encodes_for_a_video_model_has_an_outcome():
    found = nodes_that_encode()
    missing = found - VIDEO_NODES.keys() - OTHER_NODES
    missing = {name for name in missing if not re.fullmatch(IMAGE_ENCODERS, name)}
    print(f"nodes that encode: {len(found)}, of videos: {len(found & VIDEO_NODES.keys())}")
    assert missing == set()


def nodes_that_encode():
    """The ids of the host's nodes with a VAE as input and conditioning or a latent as output."""
    ids = set()
    for each in pkgutil.iter_modules(comfy_extras.__path__):
        try:
            module = importlib.import_module(f"comfy_extras.{each.name}")
        except ImportError as missing:
            print(f"{each.name} was not looked at: {missing}")
            continue
        for kind in vars(module).values():
            if inspect.isclass(kind) and issubclass(kind, io.ComfyNode):
                ids |= encoding_id(kind)
    return ids


def encoding_id(kind):
    """The id of the node `kind` in a set, empty for one that encodes nothing and for a base."""
    if inspect.isabstract(kind) or getattr(kind, "node_id", "") is None:
        return set()
    schema = kind.define_schema()
    gets = {each.io_type for each in schema.inputs or ()}
    makes = {each.io_type for each in schema.outputs or ()}
    return {schema.node_id} if "VAE" in gets and makes & {"CONDITIONING", "LATENT"} else set()


@pytest.mark.parametrize("node", VIDEO_NODES)
def test_the_outcome_of_a_node_is_one_that_a_test_has(node):
    kind, _, reason = VIDEO_NODES[node].partition(":")
    match kind:
        case "compared":
            assert compared(node)
        case "beside":
            assert node in BESIDE or node in START_IMAGES
        case _:
            assert kind == "refused" and CLASSES[reason.strip()].startswith("refused")
