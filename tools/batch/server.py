"""Requests to a ComfyUI that others may use too. Every answer is bounded in time and in size."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import aiohttp
from yarl import URL

from tools.batch import answers
from tools.batch.answers import AnswerError, Result, SavedFile
from tools.batch.content import ContentError
from tools.batch.patience import SLOWEST, Pace, Patience, retry_after
from tools.batch.results import Results
from tools.batch.text import describe, printable
from tools.batch.workflow import PlanError
from tools.graph import Graph

MAX_NODES = 64 << 20  # bytes of /object_info; a server of many packs answers 20 MB
MAX_ANSWER = 32 << 20
MAX_MESSAGE = 16 << 20  # of a websocket: pictures of previews are below 1 MB
PIECE = 1 << 18

BUSY = (408, 425, 429)
LOGIN, LOGIN_HINT = (401, 403, 407, 511), "does it need a login?"
"""A proxy answers so once a login has expired: it says nothing about the file."""


class BusyError(Exception):
    """The server cannot answer now. `seconds` is how long it asks to be left alone."""

    def __init__(self, message: str, seconds: float | None = None, status: int = 0) -> None:
        super().__init__(message)
        self.seconds, self.status = seconds, status


class RefusedError(Exception):
    """The server answers with a status that waiting does not mend."""


AWAY = (aiohttp.ClientError, asyncio.TimeoutError, TimeoutError, ConnectionError, UnicodeError)
"""Raised when no whole answer comes: the server may come back, and know nothing."""


def check_address(text: str) -> URL:
    """The address of a server; PlanError unless it is one that a request can be sent to."""
    hint = "write http://HOST:PORT"
    try:
        url = URL(text.strip())
        port = url.port
        (url.raw_host or "").encode("ascii")
        "".join(url.host or "").encode("idna")
    except (ValueError, TypeError) as error:
        raise PlanError(f"--server {describe(text)} is no address: {hint}") from error
    if url.scheme not in ("http", "https") or not url.host or not port or " " in text.strip():
        raise PlanError(f"--server {describe(text)} is no address: {hint}")
    if url.query_string or url.fragment:
        raise PlanError(f"--server {describe(text)} has more than an address: {hint}")
    return url


class RedirectError(aiohttp.ClientError):
    """The server wants a websocket to be opened elsewhere."""


async def refuse_redirect(*request: object) -> None:
    raise RedirectError("a redirect of the websocket is not followed")


def session() -> aiohttp.ClientSession:
    """A session without cookies, compressed answers and redirects."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse_redirect)  # ws_connect has no switch for it
    return aiohttp.ClientSession(
        trace_configs=[trace],
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},
        trust_env=False,
    )


class Server:
    """The ComfyUI at `address`, as the user `client`, with `patience` for all requests together."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: str,
        client: str,
        patience: Patience,
        pace: Pace,
    ) -> None:
        self.session, self.client, self.patience, self.pace = session, client, patience, pace
        url = check_address(address)
        self.url = str(url).rstrip("/")
        self.name = printable(str(url.with_user(None)).rstrip("/"), 200)

    def seconds(self) -> float:
        """The longest that a request may take now."""
        return max(0.05, min(self.pace.request, self.patience.left()))

    @asynccontextmanager
    async def request(
        self, method: str, path: str, timeout: aiohttp.ClientTimeout, **body: object
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request, once its status and its encoding are such as can be used."""
        place = "/" + path.split("/")[1]
        asked = self.session.request(
            method, self.url + path, timeout=timeout, allow_redirects=False, **body
        )
        async with await asyncio.wait_for(asked, self.seconds()) as reply:
            status = reply.status
            if status in BUSY or status >= 500:
                headers = reply.headers
                seconds = retry_after(headers.get("Retry-After"), headers.get("Date"))
                raise BusyError(f"{self.name} answers {status} to {place}", seconds, status)
            if 300 <= status < 400:
                target = printable(reply.headers.get("Location", "nowhere"), 120)
                raise RefusedError(
                    f"{self.name} answers {place} with a redirect to {target}, which is not"
                    " followed: if that is your ComfyUI, give its address as --server"
                )
            coding = reply.headers.get("Content-Encoding", "identity").strip().lower()
            if coding not in ("", "identity"):
                kind = printable(coding, 20)
                raise AnswerError(f"{place} answers in {kind}, which was not asked for")
            yield reply

    async def ask(
        self, method: str, path: str, limit: int = MAX_ANSWER, **body: object
    ) -> tuple[int, bytes]:
        """Status and content of an answer of at most `limit` bytes."""
        timeout = aiohttp.ClientTimeout(total=self.seconds())
        async with self.request(method, path, timeout, **body) as reply:
            pieces, size = [], 0
            async for piece in reply.content.iter_chunked(PIECE):
                size += len(piece)
                if size > limit:
                    place = "/" + path.split("/")[1]
                    raise AnswerError(f"{place} answers more than {limit >> 20} MB")
                pieces.append(piece)
            return reply.status, b"".join(pieces)

    async def get(self, path: str, limit: int = MAX_ANSWER) -> Any:  # noqa: ANN401
        status, content = await self.ask("GET", path, limit)
        place = "/" + path.split("/")[1]
        if status != 200:
            raise RefusedError(f"{self.name} answers {status} to {place}: is it your ComfyUI?")
        return answers.parse(content, place)

    async def nodes(self, wanted: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
        """The nodes in `wanted` that the server has, with their inputs, and those it lacks."""
        return answers.parse_nodes(await self.get("/object_info", MAX_NODES), wanted)

    async def send(self, graph: Graph, prompt: str) -> None:
        """Puts a graph at the end of the queue under the id `prompt`, unless RejectedError."""
        body = {"prompt": graph, "prompt_id": prompt, "client_id": self.client}
        status, content = await self.ask("POST", "/prompt", json=body)
        if status not in (200, 400, 413, 422):
            raise RefusedError(f"{self.name} answers {status} to /prompt: {LOGIN_HINT}")
        try:
            answers.parse_accepted(status, content, prompt)
        except answers.RejectedError:
            if status == 200:  # some branches would run, and the others be dropped
                await self.withdraw([prompt])
            raise

    async def queued(self) -> frozenset[str]:
        """The prompt ids of all that waits or runs, ours or not."""
        return answers.parse_queue(await self.get("/queue"))

    async def result(self, prompt: str) -> Result | None:
        """How it ended; None when it has not, or the server does not remember it.

        ContentError if the server remembers it in a form that ComfyUI does not use.
        """
        entry = answers.parse_history(await self.get(f"/history/{prompt}"), prompt)
        try:
            return None if entry is None else answers.parse_result(entry)
        except AnswerError as error:
            raise ContentError(f"its history cannot be read: {error}") from error

    async def withdraw(self, prompts: list[str]) -> None:
        """Removes waiting jobs from the queue. A running job is never interrupted."""
        await self.ask("POST", "/queue", json={"delete": prompts})

    async def download(self, file: SavedFile, results: Results, path: str) -> None:
        """Writes a saved file to `path` in the results, whole or not at all."""
        timeout = aiohttp.ClientTimeout(total=None, connect=self.seconds(), sock_read=self.window())
        async with self.request("GET", "/view", timeout, params=asdict(file)) as reply:
            refused = reply.status == 403 and file.escapes
            if reply.status in LOGIN and not refused:
                raise RefusedError(f"{self.name} answers {reply.status} to /view: {LOGIN_HINT}")
            if reply.status != 200:
                saved = describe(file.filename) + (" elsewhere" if refused else "")
                raise ContentError(f"ComfyUI saved {saved}, but answers {reply.status}", final=True)
            pieces = self.steady(reply)
            try:
                await results.save(path, pieces, reply.content_length, reply.content_type)
            except aiohttp.ClientPayloadError as error:
                raise ContentError("the result was cut short") from error

    def window(self) -> float:
        return max(0.05, min(self.pace.window, self.patience.seconds))

    async def steady(self, reply: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The pieces of a result; TimeoutError if fewer come than SLOWEST bytes a second."""
        start, received = self.patience.clock(), 0
        # aiohttp's own limit on reading ends with its parser, at a damaged chunk
        while piece := await asyncio.wait_for(reply.content.readany(), self.window()):
            received += len(piece)
            passed = self.patience.clock() - start
            if passed > self.window():
                if received < SLOWEST * passed:
                    raise TimeoutError(f"{self.name} sends a result too slowly")
                self.patience.progress()
                start, received = self.patience.clock(), 0
            yield piece

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["aiohttp.ClientWebSocketResponse[bool]"]:
        """The server's messages to this client while the context is open."""
        connecting = self.session.ws_connect(
            f"{self.url}/ws",
            params={"clientId": self.client},
            max_msg_size=MAX_MESSAGE,
            heartbeat=60,
            timeout=aiohttp.ClientWSTimeout(ws_close=0.5),
        )
        socket = await asyncio.wait_for(connecting, self.seconds())
        async with socket:
            yield socket
