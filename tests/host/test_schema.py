"""The server's description of our nodes, in the terms that this ComfyUI has for its own."""

import json

import pytest

from tools.host import ROOT

pytestmark = pytest.mark.host

SEARCH = json.loads((ROOT / "web" / "search.json").read_text("utf-8"))
MATCHED = "COMFY_MATCHTYPE_V3"


@pytest.fixture(scope="module")
def known(server):
    return server.client.nodes()


def parts(known):
    """Our nodes, and those of the host."""
    ours = {name: info for name, info in known.items() if name.startswith("Sora")}
    return ours, {name: info for name, info in known.items() if name not in ours}


def test_search_words_are_in_the_schema_where_the_host_takes_them(known):
    ours, hosts = parts(known)
    takes = any(info.get("search_aliases") for info in hosts.values())
    print(f"schema: the host {'takes' if takes else 'has no'} search words")
    for name, info in ours.items():
        words = SEARCH["search_aliases"][name] if takes else []
        assert (info.get("search_aliases") or []) == words, name


def test_rarely_used_inputs_are_marked_where_the_host_takes_the_mark(known):
    ours, hosts = parts(known)

    def marked(info):
        inputs = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
        return {n for n, spec in inputs.items() if len(spec) > 1 and spec[1].get("advanced")}

    takes = any(info.get("search_aliases") for info in hosts.values())  # both came together
    for name, info in ours.items():
        assert marked(info) == (set(SEARCH["advanced"].get(name, ())) if takes else set()), name


def test_a_measured_video_keeps_its_type_where_the_host_links_such_types(known):
    ours, hosts = parts(known)
    takes = any(MATCHED in info["output"] for info in hosts.values())
    *_, kind = ours["SoraMeasureSeams"]["output"]
    print(f"schema: a measured video is {kind}")
    assert kind == (MATCHED if takes else "VIDEO,IMAGE")
