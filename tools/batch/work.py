"""Runs every job of a batch on one ComfyUI, each once, through the end of either side."""

import asyncio
import contextlib
import json
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import aiohttp

from tools.batch.jobs import Job
from tools.batch.manifest import Manifest
from tools.batch.remote import AWAY, Remote, Result
from tools.batch.workflow import PlanError
from tools.client import GraphError, RefusedError
from tools.graph import completed

AHEAD = 2  # jobs in the server's queue: it never waits for us, and others wait for two at most
LOOK_SECONDS = 5  # messages can be lost, the queue cannot: it is looked at this often
KNOCK_SECONDS = 0.5
ENDINGS = ("execution_success", "execution_error", "execution_interrupted")

Show = Callable[[str, str, dict[str, Any]], None]
"""Called with a job's name, what happened to it, and what is known of that."""


class ServerAwayError(Exception):
    """The server has been away for longer than the user wants to wait."""


class Work:
    """The jobs that are left, and the server that does them."""

    def __init__(
        self,
        remote: Remote,
        manifest: Manifest,
        jobs: Mapping[str, Job],
        out: Path,
        *,
        retries: int = 0,
        patience: float = 300,
        ahead: int = AHEAD,
        show: Show = lambda name, what, data: None,
    ) -> None:
        self.remote, self.manifest, self.jobs, self.out = remote, manifest, jobs, out
        self.retries, self.patience, self.ahead, self.show = retries, patience, ahead, show
        self.known: dict[str, dict[str, Any]] = {}
        entries = manifest.entries()
        self.waiting = deque(name for name in jobs if entries[name].state == "waiting")
        self.flying = {  # by the id the server knows: a name, while we do not know how it ended
            found.prompt: name
            for name in jobs
            if (found := entries[name]).state in ("sent", "running") and found.prompt
        }

    async def run(self) -> None:
        """Returns when each job is done or failed."""
        while self.waiting or self.flying:
            try:
                await self.reach()
                async with self.remote.listening() as socket:
                    await self.follow(socket)
            except AWAY as error:
                self.show("", "away", {"error": str(error)})
                await asyncio.sleep(KNOCK_SECONDS)
            except asyncio.CancelledError:
                await self.leave()
                raise

    async def reach(self) -> None:
        """Waits until the server answers, and looks whether it has every node."""
        deadline = time.monotonic() + self.patience
        while True:
            try:
                self.known = await self.remote.nodes()
                break
            except AWAY as error:
                if time.monotonic() > deadline:
                    raise ServerAwayError(f"{self.remote.url} does not answer: {error}") from error
                self.show("", "away", {"error": str(error)})
                await asyncio.sleep(KNOCK_SECONDS)
        wanted = {node["class_type"] for job in self.jobs.values() for node in job.graph.values()}
        if missing := sorted(wanted - set(self.known)):
            raise PlanError(f"{self.remote.url} lacks the nodes {', '.join(missing)}")
        self.show("", "here", {})

    async def follow(self, socket: "aiohttp.ClientWebSocketResponse[bool]") -> None:
        """Keeps the queue filled and takes in what ends, until all is done or the server goes."""
        looked = -LOOK_SECONDS
        while self.flying or self.waiting:
            if time.monotonic() - looked > LOOK_SECONDS:
                await self.settle()
                looked = time.monotonic()
            await self.send()
            try:
                message = await socket.receive(timeout=LOOK_SECONDS)
            except asyncio.TimeoutError:
                continue
            if message.type == aiohttp.WSMsgType.TEXT:
                said = json.loads(message.data)
                await self.hear(said["type"], said["data"])
            elif message.type != aiohttp.WSMsgType.BINARY:
                raise ConnectionError("ComfyUI closed the connection")

    async def hear(self, kind: str, data: dict[str, Any]) -> None:
        """Takes in one message; those about the jobs of others are none of our business."""
        name = self.flying.get(data.get("prompt_id", ""))
        if name is None:
            return
        if kind == "execution_start":
            self.manifest.running(name)
        self.show(name, kind, data)
        over = kind == "executing" and data.get("node") is None
        if (over or kind in ENDINGS) and (result := await self.remote.result(data["prompt_id"])):
            await self.take(data["prompt_id"], result)

    async def send(self) -> None:
        """Tops up the server's queue."""
        while self.waiting and len(self.flying) < self.ahead:
            name = self.waiting.popleft()
            prompt = str(uuid.uuid4())  # newer servers take no other form
            self.manifest.sent(name, prompt)
            self.flying[prompt] = name
            self.show(name, "sent", {})
            try:
                await self.remote.send(completed(self.jobs[name].graph, self.known), prompt)
            except RefusedError as error:
                del self.flying[prompt]
                self.manifest.failed(name, str(error))
                self.show(name, "failed", {"error": str(error)})

    async def settle(self) -> None:
        """Finds out what became of each job that was sent; what the server lacks waits again."""
        queued = await self.remote.queued()  # first: what ends in between is in the history
        for prompt, name in list(self.flying.items()):
            if result := await self.remote.result(prompt):
                await self.take(prompt, result)
            elif prompt not in queued:
                del self.flying[prompt]
                if self.manifest.lost(name):
                    self.waiting.appendleft(name)
                    self.show(name, "lost", {})
                else:
                    self.show(name, "failed", {"error": self.manifest.entry(name).error})

    async def take(self, prompt: str, result: Result) -> None:
        """Fetches what a job has saved, and only then counts it as done."""
        name = self.flying[prompt]
        error = result.error or (None if result.files else "saved nothing: add a node that saves")
        files = []
        try:
            for file, path in named(name, result.files if not error else []):
                await self.remote.fetch(file, self.out / path)
                files.append(path)
        except GraphError as gone:
            error = str(gone)
        del self.flying[prompt]
        if error:
            self.fail(name, error)
        else:
            self.manifest.done(name, files, result.seconds)
            self.show(name, "done", {"files": files, "seconds": result.seconds})

    def fail(self, name: str, error: str) -> None:
        again = self.manifest.missed(name, error, self.retries)
        self.show(name, "again" if again else "failed", {"error": error})
        if again:
            self.waiting.append(name)

    async def leave(self) -> None:
        """Takes our jobs back that have not begun; the next time finds what runs now."""
        if not self.flying:
            return
        with contextlib.suppress(*AWAY):
            await asyncio.wait_for(self.remote.withdraw(list(self.flying)), timeout=5)


def named(name: str, files: list[dict[str, str]]) -> list[tuple[dict[str, str], str]]:
    """Each file and its path in the results: the job's name, or a folder of it for several."""
    endings = [PurePosixPath(file["filename"]).suffix for file in files]
    if len(files) == 1:
        return [(files[0], f"{name}{endings[0]}")]
    width = len(str(len(files)))
    return [
        (file, f"{name}/{number:0{width}}{ending}")
        for number, (file, ending) in enumerate(zip(files, endings, strict=True), 1)
    ]
