"""A ComfyUI that others may use too: our jobs are sent, looked for and fetched by their own ids."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tools.client import GraphError, RefusedError
from tools.graph import Graph, files_of, refusal

AWAY = (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError)
"""What is raised when the server does not answer: it may come back, and know nothing."""

REPLY_SECONDS = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)
GATEWAY = (502, 503, 504)  # something before the server answers that it is away
PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Result:
    """How a job ended on the server: its files, or why there are none."""

    files: list[dict[str, str]]
    error: str | None
    seconds: float | None


class Remote:
    """The ComfyUI at `url`, as the user `client`."""

    def __init__(self, session: aiohttp.ClientSession, url: str, client: str) -> None:
        self.session, self.url, self.client = session, url.rstrip("/"), client

    async def get(self, path: str) -> dict[str, Any]:
        async with self.session.get(self.url + path, timeout=REPLY_SECONDS) as reply:
            reply.raise_for_status()
            return await reply.json()

    async def nodes(self) -> dict[str, dict[str, Any]]:
        """Every node the server knows, by id."""
        return await self.get("/object_info")

    async def send(self, graph: Graph, prompt: str) -> None:
        """Puts a graph at the end of the queue under the id `prompt`, unless it is refused."""
        body = {"prompt": graph, "prompt_id": prompt, "client_id": self.client}
        where = f"{self.url}/prompt"
        async with self.session.post(where, json=body, timeout=REPLY_SECONDS) as reply:
            if reply.status in GATEWAY:
                reply.raise_for_status()
            text = await reply.text()
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {"error": f"{reply.status}: {text[:200]}"}
        if reply.status != 200:
            raise RefusedError(refusal(answer))
        if answer["node_errors"]:  # some branches would run, and the others be dropped
            await self.withdraw([prompt])
            raise RefusedError(refusal(answer))

    async def queued(self) -> set[str]:
        """The ids of all that waits or runs, ours or not."""
        queue = await self.get("/queue")
        return {item[1] for items in queue.values() for item in items}

    async def result(self, prompt: str) -> Result | None:
        """How it ended; None when it has not, or the server does not remember it."""
        found = (await self.get(f"/history/{prompt}")).get(prompt)
        return found and result_of(found)

    async def withdraw(self, prompts: list[str]) -> None:
        """Takes what still waits out of the queue. What runs goes on: it is never interrupted."""
        body = {"delete": prompts}
        async with self.session.post(
            f"{self.url}/queue", json=body, timeout=REPLY_SECONDS
        ) as reply:
            reply.raise_for_status()

    async def fetch(self, file: dict[str, str], path: Path) -> None:
        """Writes a saved file to `path`, whole or not at all; GraphError if the server lacks it."""
        asked = {key: file[key] for key in ("filename", "subfolder", "type")}
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        view = f"{self.url}/view"
        async with self.session.get(view, params=asked, timeout=REPLY_SECONDS) as reply:
            if reply.status in GATEWAY:
                reply.raise_for_status()
            if reply.status != 200:
                raise GraphError(f"ComfyUI saved {file['filename']}, but answers {reply.status}")
            with part.open("wb") as written:
                async for piece in reply.content.iter_chunked(PIECE):
                    written.write(piece)
        part.replace(path)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse[bool]]:
        """The server's messages to this client, pictures aside, while the context is open."""
        where = f"{self.url}/ws"
        params = {"clientId": self.client}
        async with self.session.ws_connect(where, params=params, max_msg_size=0) as socket:
            yield socket


def result_of(found: dict[str, Any]) -> Result:
    """What an entry of the server's history says."""
    status = found.get("status") or {}
    said = {kind: data for kind, data in status.get("messages", [])}
    error = None
    if status.get("status_str") != "success":
        failure = said.get("execution_error")
        error = "interrupted by someone" if "execution_interrupted" in said else "failed"
        if failure:
            error = f"{failure['node_type']}: {failure['exception_message'].strip()}"
    stamps = [data["timestamp"] for data in said.values() if "timestamp" in data]
    seconds = (max(stamps) - min(stamps)) / 1000 if stamps else None
    return Result(saved_files(found.get("outputs", {})), error, seconds)


def saved_files(outputs: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
    """The files of a run, in the order of its nodes; previews count only if nothing is saved."""
    files = files_of(outputs)
    return [item for item in files if item.get("type") == "output"] or files
