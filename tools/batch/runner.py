"""Runs every job of a batch on one ComfyUI, each once, through the end of either side."""

import asyncio
import contextlib
import math
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from tools.batch.answers import AnswerError, Event, RejectedError, Result, parse_event
from tools.batch.content import SUFFIXES, ContentError, result_paths
from tools.batch.jobs import Job
from tools.batch.manifest import Manifest
from tools.batch.patience import Backoff, Patience
from tools.batch.results import Results
from tools.batch.server import AWAY, BusyError, RefusedError, Server
from tools.batch.text import printable
from tools.batch.workflow import PlanError
from tools.graph import completed

AHEAD = 2  # jobs in the server's queue: it never waits for us, and others wait for two at most
MAX_LOSSES = 20  # of one job that the server took and forgot before it ran
MAX_FAULTS = 3  # of one result that cannot be fetched
MAX_EVENTS = 100_000  # of one job that count as progress
ERROR_SECONDS = 60  # before answers of 500 count against a job
WITHDRAW_SECONDS = 0.5
GATEWAY = (408, 425, 429, 502, 503, 504)  # say nothing about the job
ENDINGS = ("execution_success", "execution_error", "execution_interrupted")

LATE = (asyncio.TimeoutError, TimeoutError)
TROUBLE = (*AWAY, BusyError, RefusedError, AnswerError, ContentError)
"""After one of these the server is asked again, until the batch's patience ends."""

Show = Callable[[str, str, dict[str, Any]], None]
"""Called with a job's name, what happened to it, and details of that."""


class ServerAwayError(Exception):
    """The server has not let the batch get further for as long as the user wants to wait."""


class Runner:
    """The jobs that are left, and the server that does them."""

    def __init__(
        self,
        server: Server,
        manifest: Manifest,
        jobs: Mapping[str, Job],
        results: Results,
        *,
        retries: int = 0,
        ahead: int = AHEAD,
        allowed: frozenset[str] = SUFFIXES,
        show: Show = lambda name, what, data: None,
    ) -> None:
        self.server, self.manifest, self.jobs, self.results = server, manifest, jobs, results
        self.retries, self.ahead, self.allowed, self.show = retries, ahead, allowed, show
        self.pace, self.patience = server.pace, server.patience
        self.stall = Patience(self.pace.stall, self.patience.clock)
        self.backoff = Backoff(self.pace)
        entries = manifest.entries()
        self.waiting = deque(name for name in jobs if entries[name].state == "waiting")
        self.sent = {  # by prompt id: the name of each job whose end we do not know yet
            found.prompt: name
            for name in jobs
            if (found := entries[name]).state in ("sent", "running") and found.prompt
        }
        self.known: dict[str, Any] | None = None
        self.connected = False
        self.losses: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.errors: dict[str, tuple[int, float, str]] = {}  # answers of 500: count, first, text
        self.others: dict[str, frozenset[str]] = {}  # by prompt id: what waited before it
        self.events: dict[str, set[Event]] = {}  # by prompt id: those that were progress
        self.last_look = -math.inf
        self.ended: set[str] = set()
        self.reason = ""  # of the trouble since the last round that had none

    async def run(self) -> None:
        """Returns when each job is done or failed.

        ServerAwayError if the server lets nothing get further for too long; PlanError if it lacks
        nodes; DiskError if a result cannot be written.
        """
        self.wake, self.reachable, self.tried = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.listening = self.finished = False
        listener = asyncio.create_task(self.listen())
        try:
            while self.waiting or self.sent:
                try:
                    await self.round()
                except TROUBLE as error:
                    await self.pause(error)
        except (asyncio.CancelledError, KeyboardInterrupt):
            await self.withdraw()
            raise
        finally:
            self.finished = True
            listener.cancel()
            await asyncio.wait([listener], timeout=WITHDRAW_SECONDS)  # a close may swallow it

    async def round(self) -> None:
        """Takes in what has ended, fills the queue, and waits for news."""
        if self.known is None:
            await self.connect()
        for prompt in list(self.ended):
            self.ended.discard(prompt)
            if prompt in self.sent:
                await self.take_result(prompt)
        poll = self.pace.poll if self.listening else min(self.pace.poll, 1)
        if self.patience.clock() - self.last_look >= poll:
            await self.settle()
            self.last_look = self.patience.clock()
        await self.send()
        self.backoff.reset()
        self.reason = ""
        if self.sent and not self.ended:
            with contextlib.suppress(*LATE):
                await asyncio.wait_for(self.wake.wait(), poll)
        self.wake.clear()

    async def pause(self, error: Exception) -> None:
        """Waits before the next try; ServerAwayError if the patience is at its end."""
        reason = printable(str(error))
        if isinstance(error, AWAY):
            late = f"{self.server.name} does not answer in time"
            reason = f"{self.server.name} does not answer: {reason}" if reason else late
            reason = self.reason if self.reason and isinstance(error, LATE) else printable(reason)
            self.known = None
            self.reachable.clear()
        self.reason = reason
        if isinstance(error, RefusedError) and not self.connected:
            raise PlanError(reason) from error
        left = self.patience.left()
        if left <= 0:
            raise ServerAwayError(f"{reason} (for {self.patience.seconds:g} s)") from error
        self.show("", "away", {"error": reason})
        self.last_look = -math.inf
        seconds = getattr(error, "seconds", None)
        await asyncio.sleep(min(self.backoff.pause(seconds), left))

    async def connect(self) -> None:
        """Looks whether the server has every node of the workflow, and opens the websocket."""
        graphs = {id(job.template): job.template.graph for job in self.jobs.values()}
        wanted = {node["class_type"] for graph in graphs.values() for node in graph.values()}
        known, missing = await self.server.nodes(wanted)
        if missing:
            nodes = printable(", ".join(missing), 200)
            raise PlanError(f"{self.server.name} lacks the nodes {nodes}: install their packs")
        self.known, self.connected = known, True
        self.show("", "here", {})
        self.tried.clear()
        self.reachable.set()
        if not self.listening:
            with contextlib.suppress(*LATE):  # it can do without
                await asyncio.wait_for(self.tried.wait(), min(5, self.patience.seconds / 10))

    async def listen(self) -> None:
        """Receives events for ever. They only make the batch quicker: the queue has the truth."""
        backoff = Backoff(self.pace)
        while not self.finished:
            await self.reachable.wait()
            try:
                async with self.server.listening() as socket:
                    self.listening = True
                    self.tried.set()
                    async for message in socket:
                        if message.type == aiohttp.WSMsgType.TEXT:
                            backoff.reset()
                            self.on_event(parse_event(message.data))
            except AWAY:
                pass  # a proxy without websockets, or a server that has ended
            self.tried.set()
            if self.listening:
                self.listening = False
                self.last_look = -math.inf
                self.wake.set()
            await asyncio.sleep(backoff.pause(None))

    def on_event(self, event: Event | None) -> None:
        """Takes in one event; those about the jobs of others change nothing."""
        name = self.sent.get(event.prompt) if event else None
        if event is None or name is None:
            return
        events = self.events.setdefault(event.prompt, set())
        if event not in events and len(events) < MAX_EVENTS:  # a server may repeat two for ever
            events.add(event)
            self.patience.progress()
            self.stall.progress()
        if event.kind == "execution_start":
            self.manifest.running(name)
        self.show(name, event.kind, {"node": event.node, "value": event.value, "max": event.most})
        if event.kind in ENDINGS or (event.kind == "executing" and event.node is None):
            self.ended.add(event.prompt)
            self.wake.set()

    async def settle(self) -> None:
        """Finds out what became of each job that was sent; what the server lacks waits again."""
        queue = await self.server.queued()  # first: what ends in between is in the history
        for prompt in list(self.sent):
            if not await self.take_result(prompt) and prompt not in queue:
                self.lost(prompt)
        self.watch(queue)
        if queue.intersection(self.sent):
            self.patience.progress()
        if self.sent and self.stall.left() <= 0:
            hours = f"{self.stall.seconds:g} s"
            raise ServerAwayError(f"{self.server.name} has not got further for {hours}")

    def watch(self, queue: frozenset[str]) -> None:
        """Takes in the queue: that what waited before a job of ours gets less is progress.

        What others add later is none, or they could keep the batch waiting for ever.
        """
        others = {
            prompt: self.others.get(prompt, queue).intersection(queue) - self.sent.keys()
            for prompt in self.sent
        }
        fewer = any(len(left) < len(self.others.get(one, ())) for one, left in others.items())
        if fewer or others.keys() - self.others.keys():
            self.stall.progress()
        self.others = others
        self.events = {prompt: found for prompt, found in self.events.items() if prompt in others}

    async def send(self) -> None:
        """Tops up the server's queue."""
        while self.waiting and len(self.sent) < self.ahead:
            name = self.waiting.popleft()
            prompt = str(uuid.uuid4())  # newer servers take no other form
            self.manifest.sent(name, prompt)
            self.sent[prompt] = name
            self.show(name, "sent", {})
            try:
                await self.server.send(completed(self.jobs[name].graph, self.known or {}), prompt)
            except RejectedError as error:
                del self.sent[prompt]
                self.manifest.failed(name, str(error))
                self.show(name, "failed", {"error": str(error)})
            except BusyError as error:  # it may have been taken all the same: settle looks
                if error.status not in GATEWAY:
                    count, first, _ = self.errors.get(name, (0, self.patience.clock(), ""))
                    self.errors[name] = (count + 1, first, str(error))
                raise
            self.backoff.reset()

    def lost(self, prompt: str) -> None:
        """A job that was sent, and that the server does not know, waits again or has failed."""
        name = self.sent.pop(prompt)
        if name in self.errors and self.manifest.entry(name).state == "sent":
            count, first, text = self.errors[name]
            seconds = min(ERROR_SECONDS, self.patience.seconds / 2)
            if count > self.retries and self.patience.clock() - first >= seconds:
                self.manifest.failed(name, text)
                self.show(name, "failed", {"error": text})
            else:
                self.manifest.lost(name)
                self.waiting.append(name)
            return
        self.losses[name] += 1
        if self.losses[name] >= MAX_LOSSES:
            self.manifest.failed(name, f"ComfyUI took this job {MAX_LOSSES} times and forgot it")
        elif self.manifest.lost(name):
            self.waiting.appendleft(name)
            self.show(name, "lost", {})
            return
        self.show(name, "failed", {"error": self.manifest.entry(name).error})

    async def take_result(self, prompt: str) -> bool:
        """Whether a job has ended. Its files are fetched first, and only then it counts as done."""
        name = self.sent[prompt]
        try:
            result = await self.server.result(prompt)
            if result is None:
                return False
            files = await self.fetch(name, result)
        except ContentError as error:
            self.faults[prompt] += 1
            if not error.final and self.faults[prompt] < MAX_FAULTS:
                raise
            del self.sent[prompt]
            self.fail(name, str(error))
            return True
        self.patience.progress()
        self.stall.progress()
        del self.sent[prompt]
        if result.error or not files:
            self.fail(name, result.error or "saved nothing: add a node that saves")
        else:
            self.manifest.done(name, files, result.seconds)
            self.show(name, "done", {"files": files, "seconds": result.seconds})
        return True

    async def fetch(self, name: str, result: Result) -> list[str]:
        """The paths of the job's files, once each is written."""
        paths = result_paths(name, result.files, self.allowed) if result.files else []
        for file, path in paths:
            await self.server.download(file, self.results, path)
        return [path for _, path in paths]

    def fail(self, name: str, error: str) -> None:
        again = self.manifest.missed(name, error, self.retries)
        self.show(name, "again" if again else "failed", {"error": error})
        if again:
            self.waiting.append(name)

    async def withdraw(self) -> None:
        """Withdraws our jobs that have not begun; the next run finds the one that runs now."""
        if self.sent and self.known is not None:
            with contextlib.suppress(*TROUBLE):
                withdrawing = self.server.withdraw(list(self.sent))
                await asyncio.wait_for(withdrawing, WITHDRAW_SECONDS)
