"""ComfyUI's graph API: queue a graph, follow it, fetch what it made."""

import asyncio
import json
import uuid
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp

from tools.graph import Graph, completed, files_of, refusal

RUN_SECONDS = 600
MAX_MESSAGE = 64 << 20  # bytes of one websocket message
REPLY = aiohttp.ClientTimeout(total=60)
PREVIEW_KIND = (1).to_bytes(4, "big")  # then four bytes for the picture's format, then the picture

Event = Callable[[str, dict[str, Any]], None]
"""Called with the type and the data of each message while a graph runs."""


class GraphError(Exception):
    """ComfyUI refused a graph, or failed while running it."""


class RefusedError(GraphError):
    """ComfyUI refused a graph, as it would each time."""


class FailedError(GraphError):
    """A node failed while ComfyUI ran a graph."""


@dataclass
class Run:
    """What became of one queued graph."""

    prompt_id: str
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    previews: list[bytes] = field(default_factory=list)

    def outputs(self) -> dict[str, dict[str, Any]]:
        """The displayed outputs of each output node by its key, cached ones included."""
        return {data["node"]: data["output"] for kind, data in self.events if kind == "executed"}

    def executed(self) -> list[str]:
        """Keys of the nodes that ran, in order; cached ones are not among them."""
        return [data["node"] for kind, data in self.events if kind == "executing" and data["node"]]

    def files(self, *nodes: str, kind: str | None = None) -> list[dict[str, str]]:
        """Every file that was saved: filename, subfolder and type, as `Client.view` takes them.

        With `nodes`, theirs alone; with a `kind`, those of that type, such as "output".
        """
        displayed = self.outputs()
        found = files_of(
            {node: displayed[node] for node in displayed if not nodes or node in nodes}
        )
        return [file for file in found if kind in (None, file.get("type"))]


class Client:
    """One user of the ComfyUI at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.id = uuid.uuid4().hex

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """The JSON of the server's answer at `path`."""
        return json.loads(self.fetch(path, **query))

    def fetch(self, path: str, **query: str) -> bytes:
        return at_once(self._ask("GET", path, query, None))

    def view(self, file: dict[str, str]) -> bytes:
        """The bytes of a file that a run saved."""
        return self.fetch("/view", **{key: file[key] for key in ("filename", "subfolder", "type")})

    def post(self, path: str, body: dict[str, Any]) -> bytes:
        return at_once(self._ask("POST", path, {}, body))

    async def _ask(
        self, method: str, path: str, query: dict[str, str], body: dict[str, Any] | None
    ) -> bytes:
        async with (
            aiohttp.ClientSession(timeout=REPLY, raise_for_status=True) as session,
            session.request(method, self.url + path, params=query, json=body) as reply,
        ):
            return await reply.read()

    def interrupt(self) -> None:
        self.post("/interrupt", {})

    def nodes(self, *kinds: str) -> dict[str, dict[str, Any]]:
        """Every node of the server, by id; or those of `kinds` alone, which is faster."""
        if not kinds:
            return self.get("/object_info")
        return {k: v for kind in kinds for k, v in self.get(f"/object_info/{quote(kind)}").items()}

    def completed(self, graph: Graph) -> Graph:
        """`graph` with defaults for the widgets that this version requires and it lacks."""
        return completed(graph, self.nodes(*{node["class_type"] for node in graph.values()}))

    def run(
        self,
        graph: Graph,
        on_event: Event = lambda kind, data: None,
        seconds: float | None = RUN_SECONDS,
    ) -> Run:
        """The finished run of `graph`; GraphError when any part of it is refused or fails."""
        return asyncio.run(asyncio.wait_for(self._run(graph, on_event), seconds))

    async def _run(self, graph: Graph, on_event: Event) -> Run:
        where, who = f"{self.url}/ws", {"clientId": self.id}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(where, params=who, max_msg_size=MAX_MESSAGE) as socket,
        ):
            body = {"prompt": graph, "client_id": self.id}
            async with session.post(f"{self.url}/prompt", json=body) as reply:
                answer = await reply.json()
            # 200 can still carry errors: the other branches would run, and this one be dropped
            if reply.status != 200 or answer["node_errors"]:
                raise RefusedError(refusal(answer))
            run = Run(answer["prompt_id"])
            await follow(socket, run, on_event)
        return run


def at_once(asked: Coroutine[Any, Any, bytes]) -> bytes:
    """What `asked` gives, also in a thread that has an event loop of its own, as in a notebook."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, asked).result()


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
            raise FailedError(f"{data['node_type']}: {data['exception_message'].strip()}")
        if kind == "execution_interrupted":
            raise GraphError("interrupted")
        if kind == "execution_success":
            return
    raise GraphError("ComfyUI closed the connection")
