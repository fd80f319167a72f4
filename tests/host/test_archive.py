"""The archive that the Registry would publish, alone in a fresh ComfyUI, is the whole pack."""

import json
import re

import pytest
from PIL import Image

from tools.client import Client
from tools.host import ROOT
from tools.published import archive, unpack

pytestmark = pytest.mark.host

MEGABYTES = 100
COMFY = re.compile(r'^(\w[\w-]*) = "(.*)"$', re.MULTILINE)


@pytest.fixture(scope="module")
def installed(comfyui, tmp_path_factory):
    """A client of a server that has nothing but what the archive holds."""
    base = tmp_path_factory.mktemp("fresh")
    pack = unpack(base / "archive" / "sora-nodes")
    with comfyui(base / "comfyui", packs=(pack,)) as server:
        yield server.client


def served(client: Client, path: str) -> bytes:
    return client.fetch(f"/extensions/sora-nodes/{path}")


def test_all_nodes_are_there_with_their_words(installed):
    ours = {name for name in installed.nodes() if name.startswith("Sora")}
    assert ours == set(json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text("utf-8")))
    texts = installed.get("/i18n")
    assert all(set(texts[language]["nodeDefs"]) == ours for language in ("en", "ja", "zh"))


def test_pages_scripts_templates_and_blueprints_are_there(installed):
    for folder in ("web", "web/docs"):
        for path in (ROOT / folder).iterdir():
            if path.is_file():
                name = path.relative_to(ROOT / "web").as_posix()
                assert served(installed, name) == path.read_bytes()
    templates = set(installed.get("/workflow_templates")["sora-nodes"])
    assert templates == {path.stem for path in ROOT.glob("workflows/*.json")}
    listed = installed.get("/global_subgraphs").values()  # newer ComfyUIs have some of their own
    ours = {one["name"] for one in listed if one["source"] == "custom_node"}
    assert ours == {path.stem for path in ROOT.glob("subgraphs/*.json")}


def test_it_generates(installed):
    graph = json.loads((ROOT / "workflows" / "api" / "text_to_video.json").read_text("utf-8"))
    (schedule,) = (node for node in graph.values() if node["class_type"] == "SoraSchedule")
    schedule["inputs"]["steps"] = 1
    assert installed.run(installed.completed(graph)).files(kind="output")


def test_what_the_registry_asks_for_is_said():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    message = dict(COMFY.findall(text.partition("[tool.comfy]")[2].partition("\n[")[0]))
    assert {"PublisherId", "DisplayName", "Icon", "Banner", "requires-comfyui"} <= set(message)
    icon, banner = (ROOT / message[name].partition("/main/")[2] for name in ("Icon", "Banner"))
    with Image.open(banner) as picture:
        assert picture.width * 9 == picture.height * 21
    assert icon.suffix == ".svg" and 'width="400" height="400"' in icon.read_text("utf-8")
    size = sum((ROOT / file).stat().st_size for file in archive()) / 2**20
    print(f"archive {size:.1f} MB")
    assert size < MEGABYTES
