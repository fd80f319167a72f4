"""Draws each graph of workflows/api for the page, and makes its picture from a real run.

    python -m tools.draw_workflows [--layout] [--comfyui DIR] [--python PYTHON] [NAME ...]

Writes `workflows/sora_NAME.json`, laid out from left to right for both renderers, with the inputs
that it shows as an app, and two pictures from a run: `workflows/sora_NAME.jpg`, a square for the
template browser, and `docs/workflows/NAME.jpg`, a strip. Of a graph for models that are not here,
whose name begins with `host_`, the pictures show the canvas. With `--layout` they stay as they are.
A graph with nodes that the pinned ComfyUI lacks is drawn only by name, in a newer one.
"""

import argparse
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageOps
from playwright.sync_api import Page

from tools.client import Client, Graph
from tools.frontend import newest_frontend
from tools.host import ROOT, Server, bring_host
from tools.host_models import NEEDS_NEWER, TRAINED, files_of_models, models_property, note
from tools.layout import Box, by_depth, places_in
from tools.page import open_browser, visit

WORKFLOWS = ROOT / "workflows"
STRIPS = ROOT / "docs" / "workflows"
PREFIX = "sora_"  # the template browser has one place for each name, whichever pack brings it
PICTURE_HEIGHT = 256
SQUARE = 512  # pixels of a side: the cards of the template browser are square

WINDOW = Box(1500, 830)  # what a page of 1600x1000 shows clear of its bars
CORNER = (75, 110)  # pixels of the page at which the graph begins
SMALLEST = 0.6  # the classic canvas leaves out text below this zoom

PINNED_SCALE = 1.2  # the pinned front end spreads the nodes of a graph so much in Nodes 2.0

MEASURE = """async ([graph, name]) => {
    await app.loadApiJson(graph, name)
    await new Promise(done => setTimeout(done, 1500))
    return Object.fromEntries(app.graph.nodes.map(node => {
        const {offsetWidth, offsetHeight} = document.querySelector(`[data-node-id="${node.id}"]`)
        return [node.id, [offsetWidth, offsetHeight]]
    }))
}"""
"""How large Nodes 2.0 draws each node."""

DRAW = """async ([graph, name, sizes, note]) => {
    await app.loadApiJson(graph, name)
    const widgets = app.graph.nodes.flatMap(node => node.widgets ?? [])
    for (const widget of widgets)  // the picture shows this seed
        if (widget.name === 'control_after_generate') widget.value = 'fixed'
    for (const node of app.graph.nodes)
        if (node.widgets?.some(widget => widget.name === 'text'))
            node.setSize([320, Math.max(110, node.computeSize()[1] + 40)])
    const shown = {LoadVideo: 250, LoadImage: 250, SaveVideo: 250, SoraSample: 200, PreviewAny: 60,
        SoraDataset: 290, SoraTrain: 290}
    const boxes = {}
    for (const node of app.graph.nodes) {  // a place for what each shows once it has run
        const [width, height] = sizes[node.id] ?? [0, 0]
        const tall = Math.max(node.size[1], height - 30) + (shown[node.comfyClass] ?? 0)
        boxes[node.id] = [Math.max(node.size[0], width), tall]
        node.size = [boxes[node.id][0], node.size[1]]
    }
    const text = note && LiteGraph.createNode('MarkdownNote')
    if (text) {
        text.title = 'About this workflow'
        app.graph.add(text)
        text.widgets[0].value = note
        text.size = [400, 360]
        boxes[text.id] = [400, 535]  // Nodes 2.0 of the pinned page makes it taller
    }
    return [JSON.stringify(app.graph.serialize()), boxes, text ? String(text.id) : null]
}"""
"""The graph as the page draws it, the space that each node wants, and the id of the note."""

APP_INPUTS = {  # what an app shows of each node, in this order
    "LoadVideo": ("file",),
    "LoadImage": ("image",),
    "SoraDataset": ("folder",),
    "SoraTrain": ("name", "steps", "rank"),
    "SoraStoryboard": ("text", "timeline"),
    "SoraExpandPrompt": ("text",),
    "SoraEncodePrompt": ("text",),
    "CLIPTextEncode": ("text",),
    "SoraEditVideo": ("firmness", "start", "seconds", "timeline"),
    "SoraOutpaintVideo": ("left", "top", "right", "bottom"),
    "SoraExtendVideo": ("seconds", "direction", "timeline"),
    "SoraConnectVideos": ("seconds", "timeline"),
    "SoraMorphVideos": ("seconds", "timeline"),
    "SoraLoopVideo": ("seconds", "timeline"),
    "SoraImageToVideo": ("seconds", "timeline"),
    "SoraPlaceVideo": ("start", "seconds", "timeline"),
    "SoraCanvas": ("width", "height", "seconds"),
    "SoraNoise": ("seed",),
    "KSampler": ("seed",),
}
APP_OUTPUTS = ("SaveVideo", "SaveImage", "PreviewAny")
NEGATIVE = "Negative Prompt"


def main(arguments: list[str]) -> None:
    """Writes the chosen workflows, and their pictures unless `--layout` is set.

    Without names and `--comfyui` these are all but NEEDS_NEWER.
    """
    options = parse(arguments)
    names = options.names or sorted(path.stem for path in WORKFLOWS.glob("api/*.json"))
    if not options.names and options.comfyui is None:
        names = [name for name in names if name not in NEEDS_NEWER]
    graphs = {name: json.loads((WORKFLOWS / "api" / f"{name}.json").read_text()) for name in names}
    tree = options.comfyui or bring_host()
    with (
        tempfile.TemporaryDirectory() as base,
        Server(tree, Path(base), python=options.python) as server,
    ):
        with open_browser() as browser:
            newest = visit(browser, server.client, frontend=newest_frontend(), nodes_2=True)
            pinned = visit(browser, server.client, nodes_2=True)
            sizes = {name: largest(newest, pinned, name, graph) for name, graph in graphs.items()}
            newest.close()
            pinned.close()
            page = visit(browser, server.client)
            for name, graph in graphs.items():
                write_drawing(page, name, graph, sizes[name])
        if options.layout:
            return
        for name, graph in graphs.items():
            frames = (canvas_frames if name.startswith("host_") else video_frames)(
                server.client, graph
            )
            square(frames).save(WORKFLOWS / f"{PREFIX}{name}.jpg", quality=90)
            side_by_side(frames).save(STRIPS / f"{name}.jpg", quality=90)
            print(name, flush=True)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options; `names` is empty for all graphs, `comfyui` is None for the pinned one."""
    parser = argparse.ArgumentParser(prog="tools.draw_workflows", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of workflows/api; default: all")
    parser.add_argument("--layout", action="store_true", help="make no pictures")
    parser.add_argument("--comfyui", type=Path, help="in place of the pinned one")
    parser.add_argument("--python", default=sys.executable, help="runs that ComfyUI")
    return parser.parse_args(arguments)


def largest(newest: Page, pinned: Page, name: str, graph: Graph) -> dict[str, list[float]]:
    """How large Nodes 2.0 draws each node on either front end, in units of the classic canvas."""
    sizes = newest.evaluate(MEASURE, [graph, name])
    for key, size in pinned.evaluate(MEASURE, [graph, name]).items():
        width, height = sizes[key]
        sizes[key] = [width, max(height, size[1] / PINNED_SCALE)]
    return sizes


def write_drawing(page: Page, name: str, graph: Graph, sizes: dict[str, list[float]]) -> None:
    """Writes the drawing of a graph, laid out for a page of 1600x1000."""
    about = note(name, graph) if name in TRAINED else None
    text, sides, note_id = page.evaluate(DRAW, [graph, name, sizes, about])
    drawn = json.loads(text)
    files = files_of_models(graph)
    for node in drawn["nodes"]:
        if node["type"].startswith("Sora") and title_is_plain(node):
            del node["title"]
        if found := files.get(str(node["id"])):
            node["properties"]["models"] = models_property(found)
    lay_out(drawn, {key: Box(*side) for key, side in sides.items()}, note_id)
    drawn["extra"]["linearData"] = app_of(graph)
    drawn["extra"]["linearMode"] = name not in TRAINED
    text = json.dumps(drawn, indent=1, sort_keys=True)
    (WORKFLOWS / f"{PREFIX}{name}.json").write_text(text + "\n", encoding="utf-8")


def lay_out(drawn: dict[str, Any], boxes: dict[str, Box], note_id: str | None) -> None:
    """Places the nodes of a drawing, and sets the zoom at which all of it is on the page."""
    links = [(str(link[1]), str(link[3])) for link in drawn["links"]]
    if note_id:  # at the top left: before the node that is the furthest from the result
        links.append((note_id, by_depth(boxes, links)[0]))
    places = places_in(WINDOW, boxes, links)
    for node in drawn["nodes"]:
        node["pos"] = list(places[str(node["id"])])
    right = max(places[key][0] + box.width for key, box in boxes.items())
    bottom = max(places[key][1] + box.height for key, box in boxes.items())
    scale = max(SMALLEST, min(1, WINDOW.width / right, WINDOW.height / bottom))
    drawn["extra"]["ds"] = {"scale": scale, "offset": [side / scale for side in CORNER]}


def title_is_plain(node: dict[str, Any]) -> bool:
    """Whether a title only repeats what kind of node it is, as `Load Model` of Sora Load Model."""
    return node["title"].replace(" ", "").lower() == node["type"].removeprefix("Sora").lower()


def app_of(graph: Graph) -> dict[str, list]:
    """The widgets and results of a graph in API form that an app of it shows."""
    inputs = [
        [int(key), widget]
        for kind, widgets in APP_INPUTS.items()
        for key, node in graph.items()
        if node["class_type"] == kind and node.get("_meta", {}).get("title") != NEGATIVE
        for widget in widgets
        if not isinstance(node["inputs"].get(widget), list)
    ]
    outputs = [int(key) for key, node in graph.items() if node["class_type"] in APP_OUTPUTS]
    return {"inputs": inputs, "outputs": outputs}


def video_frames(client: Client, graph: Graph) -> list[Image.Image]:
    """First, middle and last frame of a single video; of several, the middle frame of each."""
    files = client.run(client.completed(graph)).files(kind="output")
    videos = [frames_of(client.view(file)) for file in files]
    if len(videos) == 1 and len(videos[0]) > 1:
        (frames,) = videos
        return [frames[0], frames[len(frames) // 2], frames[-1]]
    return [frames[len(frames) // 2] for frames in videos]


def canvas_frames(client: Client, graph: Graph) -> list[Image.Image]:
    """The preview of the node whose canvas is encoded."""
    alone, canvas = canvas_alone(graph)
    (file,) = client.run(client.completed(alone)).files(canvas)
    return frames_of(client.view(file))


def canvas_alone(graph: Graph) -> tuple[Graph, str]:
    """The part of `graph` that makes its canvas, and the id of the node that returns it."""
    (encoder,) = (node for node in graph.values() if node["class_type"] == "SoraEncodeCanvas")
    canvas = encoder["inputs"]["canvas"][0]
    needed, waiting = {}, [canvas]
    while waiting:
        key = waiting.pop()
        needed[key] = graph[key]
        waiting += [value[0] for value in graph[key]["inputs"].values() if isinstance(value, list)]
    displayed = {"class_type": "PreviewAny", "inputs": {"source": [canvas, 0]}}
    return needed | {"shown": displayed}, canvas


def square(frames: list[Image.Image]) -> Image.Image:
    """A large frame over all of them side by side; one alone fills the square."""
    if len(frames) == 1:
        return ImageOps.fit(frames[0], (SQUARE, SQUARE))
    small = SQUARE // len(frames)
    whole = Image.new("RGB", (SQUARE, SQUARE))
    whole.paste(ImageOps.fit(frames[len(frames) // 2], (SQUARE, SQUARE - small)), (0, 0))
    for i, frame in enumerate(frames):
        whole.paste(ImageOps.fit(frame, (small, small)), (i * small, SQUARE - small))
    return whole


def side_by_side(frames: list[Image.Image]) -> Image.Image:
    """The frames in one row from left to right, each scaled to PICTURE_HEIGHT."""
    scaled = [
        frame.resize((PICTURE_HEIGHT * frame.width // frame.height, PICTURE_HEIGHT))
        for frame in frames
    ]
    whole = Image.new("RGB", (sum(frame.width for frame in scaled), PICTURE_HEIGHT))
    for i, frame in enumerate(scaled):
        whole.paste(frame, (sum(left.width for left in scaled[:i]), 0))
    return whole


def frames_of(content: bytes) -> list[Image.Image]:
    with av.open(io.BytesIO(content)) as container:
        return [frame.to_image() for frame in container.decode(video=0)]


if __name__ == "__main__":
    main(sys.argv[1:])
