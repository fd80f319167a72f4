"""What the template browser and the node library show of the pack."""

import json

import pytest
from PIL import Image

from tools.draw_workflows import PREFIX
from tools.host import ROOT
from tools.locales import LANGUAGES, read

TEMPLATES = sorted(ROOT.glob("workflows/*.json"))
BLUEPRINTS = sorted(ROOT.glob("subgraphs/*.json"))
FOLDERS = ("sora_nodes", "sora-nodes")  # of a checkout, and of the registry's archive


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=[path.stem for path in paths])


def drawn(path):
    return json.loads(path.read_text("utf-8"))


@named(TEMPLATES)
def test_a_template_is_an_app_with_a_square_picture_and_a_name_of_ours(path):
    app = drawn(path)["extra"]["linearData"]
    assert app["inputs"] and app["outputs"]
    with Image.open(path.with_suffix(".jpg")) as picture:
        assert picture.width == picture.height
    assert path.stem.startswith(PREFIX)
    assert (path.parent / "api" / path.name.removeprefix(PREFIX)).is_file()


@named(TEMPLATES)
def test_a_title_that_is_only_the_kind_of_its_node_is_left_to_the_language_of_the_page(path):
    known = read("en", "main.json")["soraTitles"]
    for node in drawn(path)["nodes"]:
        assert not node["type"].startswith("Sora") or node.get("title", "Prompt") in known


@named(TEMPLATES)
def test_a_template_opens_as_an_app_where_it_runs_without_further_files(path):
    assert drawn(path)["extra"]["linearMode"] is not path.stem.startswith(f"{PREFIX}host_")


@pytest.mark.parametrize("language", ("en", *LANGUAGES))
def test_the_category_of_the_templates_has_a_name(language):
    names = read(language, "main.json")["templateWorkflows"]["category"]
    assert set(names) == set(FOLDERS)
    assert all(name != folder for folder, name in names.items())


@named(BLUEPRINTS)
def test_a_blueprint_has_a_category_and_words_to_be_found_by(path):
    blueprint = drawn(path)
    assert blueprint["definitions"]["subgraphs"][0]["category"].startswith("Video generation")
    assert blueprint["extra"]["BlueprintSearchAliases"]
