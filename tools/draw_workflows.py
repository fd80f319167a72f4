"""Draws each graph of workflows/api for the page, and makes its picture from a real run.

    python -m tools.draw_workflows [--layout] [NAME ...]

Writes `workflows/NAME.json`, laid out from left to right, and `workflows/NAME.jpg`. Of a graph for
models that are not here, whose name begins with `host_`, the picture shows the canvas. With
`--layout` the pictures stay as they are.
"""

import io
import json
import sys
import tempfile
from pathlib import Path

import av
from PIL import Image
from playwright.sync_api import Page

from tools.client import Client, Graph
from tools.host import ROOT, Server, bring_host
from tools.page import open_page

WORKFLOWS = ROOT / "workflows"
PICTURE_HEIGHT = 256

DRAW = """async ([graph, name]) => {
    await app.loadApiJson(graph, name)
    const widgets = app.graph.nodes.flatMap(node => node.widgets ?? [])
    for (const widget of widgets)  // the picture shows this seed
        if (widget.name === 'control_after_generate') widget.value = 'fixed'
    for (const node of app.graph.nodes)
        if (node.widgets?.some(widget => widget.name === 'text')) node.size = [320, 110]
    const shown = {LoadVideo: 250, LoadImage: 250, SaveVideo: 250, SoraSample: 200, PreviewAny: 60}
    for (const node of app.graph.nodes) {  // room for what each shows once it has run
        const canvas = node.outputs?.some(output => output.type === 'SORA_CANVAS') ? 160 : 0
        node.setSize([node.size[0], node.size[1] + (shown[node.comfyClass] ?? canvas)])
    }
    app.graph.arrange(50)
    const right = Math.max(...app.graph.nodes.map(node => node.pos[0] + node.size[0]))
    const bottom = Math.max(...app.graph.nodes.map(node => node.pos[1] + node.size[1]))
    const drawn = app.graph.serialize()
    const scale = Math.min(1, 1480 / right, 690 / bottom)  // all of it, clear of the bars
    drawn.extra.ds = {scale, offset: [40 / scale, 110 / scale]}
    return JSON.stringify(drawn)
}"""


def main(arguments: list[str]) -> None:
    layout, names = "--layout" in arguments, [name for name in arguments if name != "--layout"]
    names = names or sorted(path.stem for path in WORKFLOWS.glob("api/*.json"))
    graphs = {name: json.loads((WORKFLOWS / "api" / f"{name}.json").read_text()) for name in names}
    with tempfile.TemporaryDirectory() as base, Server(bring_host(), Path(base)) as server:
        with open_page(server.client) as page:
            for name, graph in graphs.items():
                write_drawing(page, name, graph)
        if layout:
            return
        for name, graph in graphs.items():
            drawn = (canvas_picture if name.startswith("host_") else picture)(server.client, graph)
            drawn.save(WORKFLOWS / f"{name}.jpg", quality=90)
            print(name, flush=True)


def write_drawing(page: Page, name: str, graph: Graph) -> None:
    drawn = json.loads(page.evaluate(DRAW, [graph, name]))
    text = json.dumps(drawn, indent=1, sort_keys=True)
    (WORKFLOWS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def picture(client: Client, graph: Graph) -> Image.Image:
    """How the only video begins, goes on and ends; of several, what they show half-way."""
    files = client.run(client.completed(graph)).files(kind="output")
    videos = [frames_of(client.view(file)) for file in files]
    if len(videos) == 1 and len(videos[0]) > 1:
        (frames,) = videos
        return side_by_side([frames[0], frames[len(frames) // 2], frames[-1]])
    return side_by_side([frames[len(frames) // 2] for frames in videos])


def canvas_picture(client: Client, graph: Graph) -> Image.Image:
    """What the node shows whose canvas is encoded."""
    alone, canvas = canvas_alone(graph)
    (file,) = client.run(client.completed(alone)).files(canvas)
    return side_by_side(frames_of(client.view(file)))


def canvas_alone(graph: Graph) -> tuple[Graph, str]:
    """The part of `graph` that makes its canvas, and the node of it that gives the canvas."""
    (encoder,) = (node for node in graph.values() if node["class_type"] == "SoraEncodeCanvas")
    canvas = encoder["inputs"]["canvas"][0]
    needed, waiting = {}, [canvas]
    while waiting:
        key = waiting.pop()
        needed[key] = graph[key]
        waiting += [value[0] for value in graph[key]["inputs"].values() if isinstance(value, list)]
    displayed = {"class_type": "PreviewAny", "inputs": {"source": [canvas, 0]}}
    return needed | {"shown": displayed}, canvas


def side_by_side(frames: list[Image.Image]) -> Image.Image:
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
