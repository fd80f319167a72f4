"""Every node has its help page, and its words in every language."""

import json
import re
from dataclasses import dataclass, field

import pytest
import sora_nodes
from comfy_api.latest import io
from sora_nodes.nodes.search import searchable

from tools.contract import infos_of
from tools.help_pages import pages
from tools.host import ROOT
from tools.locales import ENGLISH, FILES, LANGUAGES, LOCALES, NODES, english, findings, flat, read

INFOS = {info["name"]: info for info in infos_of(sora_nodes)}
DOCS = ROOT / "web" / "docs"
PICTURE = re.compile(r"!\[[^\]]+\]\(([^)]+)\)")
MEGABYTES = 3
MEANT = set("{}@|")  # what the page takes for a command within a text


def page(node):
    return (DOCS / f"{node}.md").read_text("utf-8")


def test_every_page_is_of_a_node():
    assert {path.stem for path in DOCS.glob("*.md")} == set(INFOS)


@pytest.mark.parametrize("node", INFOS)
def test_a_page_shows_a_picture_explains_every_input_and_gives_an_example(node):
    text, inputs = page(node), INFOS[node]["input"]
    message = set(re.findall(r"\*\*(\w+)\*\*", text))
    assert text.startswith(f"# {INFOS[node]['display_name']}\n")
    assert PICTURE.findall(text)
    assert set(inputs.get("required", {}) | inputs.get("optional", {})) - message == set()
    assert "\n## Example\n" in text


def test_every_picture_is_there_small_and_shown():
    displayed = {name for node in INFOS for name in PICTURE.findall(page(node))}
    there = {
        path.name: path.stat().st_size
        for path in DOCS.iterdir()
        if path.is_file() and path.suffix != ".md"
    }
    assert displayed == set(there)
    assert sum(there.values()) < MEGABYTES * 2**20


def test_english_is_what_the_nodes_say():
    assert read(ENGLISH, NODES) == english(list(INFOS.values())), "run python -m tools.locales"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("file", FILES)
def test_a_language_lacks_nothing_and_holds_nothing_in_vain(language, file):
    assert findings(read(ENGLISH, file), read(language, file)) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_is_more_than_the_english_again(language):
    there = dict(flat(read(language, NODES)))
    texts = {key: text for key, text in there.items() if key.endswith(("tooltip", "description"))}
    assert all(any(ord(letter) > 0x2E80 for letter in text) for text in texts.values())


def test_no_text_holds_what_the_page_would_take_for_a_command():
    files = list(LOCALES.glob("*/*.json"))
    assert files
    for file in files:
        for key, text in flat(json.loads(file.read_text("utf-8"))):
            assert not MEANT & set(text), f"{file.parent.name} {key}"


def test_a_missing_and_a_needless_text_are_found():
    assert findings({"a": {"b": "x"}}, {"c": "y"}) == ["lacks a.b: x", "holds c in vain"]


def script(name):
    return (ROOT / "web" / name).read_text("utf-8")


SEARCH = json.loads(script("search.json"))


def test_every_node_has_other_words_to_be_found_by():
    assert set(SEARCH["search_aliases"]) == set(INFOS)
    assert all(SEARCH["search_aliases"].values())


@dataclass
class NewSchema(io.Schema):
    search_aliases: list[str] = field(default_factory=list)


def test_a_host_that_takes_search_words_has_them_in_the_schema():
    class Node(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            seconds = io.Int.Input("shift")
            seconds.advanced = None
            return NewSchema(node_id="SoraSchedule", inputs=[seconds])

    (node,) = searchable([Node])
    schema = node.define_schema()
    assert schema.search_aliases == SEARCH["search_aliases"]["SoraSchedule"]
    assert schema.inputs[0].advanced is True


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_help_page_is_translated_from_the_present_words(language):
    result = {place: text for place, text in pages().items() if place.stem == language}
    assert {place.parent.name for place in result} == set(INFOS)
    stale = [
        place.parent.name for place, text in result.items() if place.read_text("utf-8") != text
    ]
    assert stale == [], "run python -m tools.help_pages"


def test_every_stage_has_a_colour():
    stages = re.findall(r"'(#\w+)': \[([^\]]+)\]", script("stages.js"))
    colours = {node: colour for colour, of in stages for node in re.findall(r"Sora\w+", of)}
    assert set(colours) == set(INFOS)
    used = {(info["category"], colours[node]) for node, info in INFOS.items()}
    assert len(used) == len({info["category"] for info in INFOS.values()})


def test_inputs_that_are_marked_as_rarely_used_exist():
    assert len(SEARCH["advanced"]) >= 4
    for node, names in SEARCH["advanced"].items():
        inputs = INFOS[node]["input"]
        assert set(names) <= set(inputs["required"] | inputs.get("optional", {}))


OF_THE_GRAPH = re.compile(r"LiteGraph|app\.(graph|canvas)\b|addDOMWidget|\.widgets\b|getInputNode")


def test_one_script_alone_touches_the_graph_of_the_page():
    scripts = sorted(path.name for path in (ROOT / "web").glob("*.js"))
    assert [name for name in scripts if OF_THE_GRAPH.search(script(name))] == ["litegraph.js"]
