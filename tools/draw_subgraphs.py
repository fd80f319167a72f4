"""Folds graphs of workflows/api into blueprints: one node each for the commonest jobs.

    python -m tools.draw_subgraphs

Writes `subgraphs/NAME.json`, which ComfyUI lists under *Subgraph Blueprints*. Nodes that load
footage and save the video stay outside; the node has the widgets of its job.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tools.client import Graph
from tools.host import ROOT, Server, bring_host
from tools.page import open_page

SUBGRAPHS = ROOT / "subgraphs"
CATEGORY = "Video generation and editing/Sora"  # beside the host's own blueprints of that kind
OUTSIDE = ("LoadImage", "LoadVideo", "SaveVideo")
SIZE_ID = "100"
SIZE = {  # the size that a small model samples, whatever that of the footage
    "class_type": "SoraCanvas",
    "inputs": {"aspect": "custom", "width": 64, "height": 64, "seconds": 2.0, "fps": 8.0},
    "_meta": {"title": "Size"},
}
SIDES = (("Size", "width"), ("Size", "height"))
ALWAYS = (("Noise", "seed"), ("Schedule", "steps"))


@dataclass(frozen=True)
class Job:
    """A blueprint: its graph, description, widgets and search words."""

    graph: str
    summary: str
    displayed: tuple[tuple[str, str], ...]
    words: tuple[str, ...]


JOBS = {
    "Text to Video (sora-mini)": Job(
        "text_to_video",
        "A video of a prompt.",
        (("Prompt", "text"), ("Canvas", "width"), ("Canvas", "height"), ("Canvas", "seconds")),
        ("t2v", "prompt to video"),
    ),
    "Image to Video (sora-mini)": Job(
        "image_to_video",
        "A video that begins with an image.",
        (("Prompt", "text"), ("Image To Video", "seconds"), *SIDES),
        ("i2v", "animate image", "first frame"),
    ),
    "Extend Video (sora-mini)": Job(
        "extend_video",
        "Footage continued, or what came before it.",
        (("Prompt", "text"), ("Extend Video", "seconds"), ("Extend Video", "direction"), *SIDES),
        ("continue video", "longer", "extend"),
    ),
    "Loop Video (sora-mini)": Job(
        "loop_video",
        "A video of a prompt without beginning or end.",
        (("Prompt", "text"), ("Canvas", "width"), ("Canvas", "height"), ("Canvas", "seconds")),
        ("seamless", "perfect loop", "cinemagraph"),
    ),
    "Edit Video (sora-mini)": Job(
        "edit_video",
        "Footage changed by a prompt.",
        (
            ("Prompt", "text"),
            *(("Edit Video", name) for name in ("firmness", "start", "seconds")),
            *SIDES,
        ),
        ("v2v", "inpaint", "video to video"),
    ),
}

FOLD = """async ([graph, name, says, shown, outside]) => {
    await app.loadApiJson(graph, name)
    for (const widget of app.graph.nodes.flatMap(node => node.widgets ?? []))
        if (widget.name === 'control_after_generate') widget.value = 'randomize'
    app.graph.arrange(50)
    const inside = app.graph.nodes.filter(node => !outside.includes(node.type))
    const wanted = shown.map(([title, widget]) =>
        [String(inside.find(node => node.title === title).id), widget])
    const {node} = app.graph.convertToSubgraph(new Set(inside))
    node.title = node.subgraph.name = name
    node.properties.proxyWidgets = wanted
    node.pos = [0, 0]
    node.setSize([320, node.computeSize()[1] + 60])  // a prompt wants more than its least room
    const {nodes, subgraphs} = app.canvas._serializeItems([node])
    return JSON.stringify({
        revision: 0, last_node_id: node.id, last_link_id: 0, nodes, links: [], version: 0.4,
        definitions: {subgraphs}, extra: {BlueprintDescription: says}
    })
}"""


def main() -> None:
    """Writes a blueprint for each of JOBS, folded in the page of a new server; prints each name."""
    SUBGRAPHS.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as base,
        Server(bring_host(), Path(base)) as server,
        open_page(server.client) as page,
    ):
        for name, job in JOBS.items():
            text = json.dumps(folded(page, name, job), indent=1, sort_keys=True)
            (SUBGRAPHS / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
            print(name, flush=True)


def folded(page: Page, name: str, job: Job) -> dict:
    """The blueprint of a job."""
    graph = json.loads((ROOT / "workflows" / "api" / f"{job.graph}.json").read_text("utf-8"))
    result = fitted(graph)
    folded = json.loads(
        page.evaluate(FOLD, [result, name, job.summary, [*job.displayed, *ALWAYS], OUTSIDE])
    )
    folded["definitions"]["subgraphs"][0]["category"] = CATEGORY
    folded["extra"]["BlueprintSearchAliases"] = list(job.words)
    return folded


def fitted(graph: Graph) -> Graph:
    """`graph` without measuring nodes, and with a canvas for footage of another size."""
    (decoded,) = (key for key, node in graph.items() if node["class_type"] == "SoraDecodeVideo")
    preserved = {
        key: node for key, node in graph.items() if node["class_type"] != "SoraMeasureSeams"
    }
    edited = any(node["class_type"] in ("LoadImage", "LoadVideo") for node in preserved.values())
    for node in preserved.values():
        if node["class_type"] == "SaveVideo":
            node["inputs"]["video"] = [decoded, 0]
        if edited and node["class_type"] in (
            "SoraImageToVideo",
            "SoraExtendVideo",
            "SoraEditVideo",
        ):
            node["inputs"]["canvas"] = [SIZE_ID, 0]
    return preserved | ({SIZE_ID: SIZE} if edited else {})


if __name__ == "__main__":
    main()
