"""ComfyUI's graph API: queue a graph, follow it, fetch what it made."""

import asyncio
import json
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

RUN_SECONDS = 600
REPLY_SECONDS = 60
PREVIEW_KIND = (1).to_bytes(4, "big")  # then four bytes for the picture's format, then the picture

Graph = dict[str, dict[str, Any]]
"""A graph in API form: node key -> class_type, inputs and _meta."""

Event = Callable[[str, dict[str, Any]], None]
"""Called with the type and the data of each message while a graph runs."""


class GraphError(Exception):
    """ComfyUI refused a graph, or failed while running it."""


@dataclass
class Run:
    """What became of one queued graph."""

    prompt_id: str
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    previews: list[bytes] = field(default_factory=list)

    def outputs(self) -> dict[str, dict[str, Any]]:
        """What each output node shows, by its key; cached ones are among them."""
        return {data["node"]: data["output"] for kind, data in self.events if kind == "executed"}

    def executed(self) -> list[str]:
        """Keys of the nodes that ran, in order; cached ones are not among them."""
        return [data["node"] for kind, data in self.events if kind == "executing" and data["node"]]

    def files(self, *nodes: str, kind: str | None = None) -> list[dict[str, str]]:
        """Every file that was saved: filename, subfolder and type, as `Client.view` takes them.

        With `nodes`, theirs alone; with a `kind`, those of that type, such as "output".
        """
        return [
            item
            for node, shown in self.outputs().items()
            if not nodes or node in nodes
            for items in (shown or {}).values()
            if isinstance(items, list)
            for item in items
            if isinstance(item, dict) and "filename" in item
            if kind in (None, item.get("type"))
        ]


class Client:
    """One user of the ComfyUI at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.id = uuid.uuid4().hex

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """The JSON that `path` answers with."""
        return json.loads(self.fetch(path, **query))

    def fetch(self, path: str, **query: str) -> bytes:
        asked = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(asked, timeout=REPLY_SECONDS) as reply:
            return reply.read()

    def view(self, file: dict[str, str]) -> bytes:
        """The content of a file that a run saved."""
        return self.fetch("/view", **{key: file[key] for key in ("filename", "subfolder", "type")})

    def post(self, path: str, body: dict[str, Any]) -> bytes:
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, method="POST")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=REPLY_SECONDS) as reply:
            return reply.read()

    def interrupt(self) -> None:
        self.post("/interrupt", {})

    def nodes(self) -> dict[str, dict[str, Any]]:
        """Every node the server knows, by id."""
        return self.get("/object_info")

    def completed(self, graph: Graph) -> Graph:
        """`graph` with the default of each widget that this version requires and it lacks."""
        known = self.nodes()
        return {key: node | {"inputs": defaults(node, known)} for key, node in graph.items()}

    def run(
        self,
        graph: Graph,
        on_event: Event = lambda kind, data: None,
        seconds: float | None = RUN_SECONDS,
    ) -> Run:
        """The finished run of `graph`; GraphError when any part of it is refused or fails."""
        return asyncio.run(asyncio.wait_for(self._run(graph, on_event), seconds))

    async def _run(self, graph: Graph, on_event: Event) -> Run:
        async with aiohttp.ClientSession(self.url) as session:
            listening = session.ws_connect("/ws", params={"clientId": self.id}, max_msg_size=0)
            async with listening as socket:
                body = {"prompt": graph, "client_id": self.id}
                async with session.post("/prompt", json=body) as reply:
                    answer = await reply.json()
                # 200 can still carry errors: the other branches would run, and this one be dropped
                if reply.status != 200 or answer["node_errors"]:
                    raise GraphError(refusal(answer))
                run = Run(answer["prompt_id"])
                await follow(socket, run, on_event)
        return run


async def follow(socket: aiohttp.ClientWebSocketResponse, run: Run, on_event: Event) -> None:
    """Fills `run` with what happens, until it has succeeded."""
    async for message in socket:
        if message.type == aiohttp.WSMsgType.BINARY:
            if message.data.startswith(PREVIEW_KIND):
                run.previews.append(message.data[8:])
            continue
        kind, data = message.json()["type"], message.json()["data"]
        if data.get("prompt_id", run.prompt_id) != run.prompt_id:
            continue
        run.events.append((kind, data))
        on_event(kind, data)
        if kind == "execution_error":
            raise GraphError(f"{data['node_type']}: {data['exception_message'].strip()}")
        if kind == "execution_interrupted":
            raise GraphError("interrupted")
        if kind == "execution_success":
            return
    raise GraphError("ComfyUI closed the connection")


def defaults(node: dict[str, Any], known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The inputs of `node`, and the default of each widget it lacks."""
    inputs = dict(node["inputs"])
    for name, spec in known[node["class_type"]]["input"].get("required", {}).items():
        kind, options = spec[0], spec[1] if len(spec) > 1 else {}
        choices = kind if isinstance(kind, list) else options.get("options", ())
        if name not in inputs and ("default" in options or choices):
            inputs[name] = options.get("default", next(iter(choices), None))
    return inputs


def canvas_alone(graph: Graph) -> tuple[Graph, str]:
    """The part of `graph` that makes its canvas, and the node of it that gives the canvas."""
    (encoder,) = (node for node in graph.values() if node["class_type"] == "SoraEncodeCanvas")
    canvas = encoder["inputs"]["canvas"][0]
    needed, waiting = {}, [canvas]
    while waiting:
        key = waiting.pop()
        needed[key] = graph[key]
        waiting += [value[0] for value in graph[key]["inputs"].values() if isinstance(value, list)]
    shown = {"class_type": "PreviewAny", "inputs": {"source": [canvas, 0]}}
    return needed | {"shown": shown}, canvas


def refusal(answer: dict[str, Any]) -> str:
    """One line for each input that ComfyUI did not accept."""
    lines = [
        f"{node['class_type']}: {error['message']}: {error['details']}"
        for node in (answer.get("node_errors") or {}).values()
        for error in node["errors"]
    ]
    return "\n".join(lines or [str(answer.get("error", answer))])
