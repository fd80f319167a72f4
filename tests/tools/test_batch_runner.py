"""Each job ends once, whatever a server does: here one of a few lines, which fails on purpose."""

import asyncio
import json
import random
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer as LocalServer

from tools.batch.jobs import plan
from tools.batch.manifest import Manifest
from tools.batch.patience import Pace, Patience
from tools.batch.results import Results
from tools.batch.runner import Runner, ServerAwayError
from tools.batch.server import Server, session
from tools.batch.workflow import PlanError

GRAPH = {
    "1": {"class_type": "Noise", "inputs": {"seed": 0}},
    "2": {"class_type": "Save", "inputs": {"noise": ["1", 0], "filename_prefix": "x"}},
}
KNOWN = {name: {"input": {"required": {}}} for name in ("Noise", "Save")}


class Fake:
    """As much of ComfyUI as a batch uses: a queue, a history, both lost when it ends."""

    def __init__(self, trouble=lambda event: False, status=lambda seed, asked: None):
        self.trouble, self.status, self.asked = trouble, status, 0
        self.queue, self.history, self.sockets = [], {}, {}
        self.ran = Counter()
        self.withdrawn = []
        routes = {
            "/object_info": self.object_info,
            "/queue": self.show_queue,
            "/history/{prompt}": self.show_history,
            "/view": self.view,
            "/ws": self.listen,
        }
        self.app = web.Application()
        self.app.add_routes([web.get(path, handler) for path, handler in routes.items()])
        self.app.add_routes([web.post("/prompt", self.take), web.post("/queue", self.withdraw)])

    async def end(self):
        """All that was not saved is lost, and everyone is cut off."""
        self.queue, self.history = [], {}
        for socket in list(self.sockets.values()):
            await socket.close()

    async def object_info(self, request):
        return web.json_response(KNOWN)

    async def show_queue(self, request):
        waiting = [[0, prompt] for prompt, _ in self.queue]
        return web.json_response({"queue_running": waiting[:1], "queue_pending": waiting[1:]})

    async def show_history(self, request):
        prompt = request.match_info["prompt"]
        return web.json_response({k: v for k, v in self.history.items() if k == prompt})

    async def view(self, request):
        if self.trouble("view"):
            return cut_off(request)
        return web.Response(body=b"\x89PNG\r\n\x1a\n" + request.query["filename"].encode())

    async def take(self, request):
        body = await request.json()
        assert body["prompt_id"] not in self.history | dict(self.queue)
        if self.trouble("before"):
            return cut_off(request)
        self.asked += 1
        if status := self.status(body["prompt"]["1"]["inputs"]["seed"], self.asked):
            return web.Response(status=status, text="no")
        if body["prompt"]["1"]["inputs"]["seed"] < 0:
            errors = {"1": {"class_type": "Noise", "errors": [{"message": "bad", "details": ""}]}}
            return web.json_response({"error": "bad", "node_errors": errors}, status=400)
        self.queue.append((body["prompt_id"], body))
        if self.trouble("after"):
            return cut_off(request)
        return web.json_response({"prompt_id": body["prompt_id"], "node_errors": {}})

    async def withdraw(self, request):
        self.withdrawn += (await request.json())["delete"]
        others = [item for item in self.queue[1:] if item[0] not in self.withdrawn]
        self.queue = self.queue[:1] + others  # what runs is out of reach
        return web.Response()

    async def listen(self, request):
        if self.trouble("no websocket"):
            return web.Response(status=403)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets[request.query["clientId"]] = socket
        async for _ in socket:
            pass
        return socket

    async def work(self):
        while True:
            await asyncio.sleep(0.001)
            if self.trouble("idle"):
                await self.end()
            if self.queue:
                await self.run(*self.queue[0])

    async def run(self, prompt, body):
        graph, messages = body["prompt"], []
        await self.emit(body, "execution_start", {})
        await asyncio.sleep(0.001)
        if self.trouble("running"):
            await self.end()
            return
        seed = graph["1"]["inputs"]["seed"]
        name = graph["2"]["inputs"]["filename_prefix"]
        self.ran[name] += 1
        files = [{"filename": f"{name}.png", "subfolder": "", "type": "output"}]
        status = {"status_str": "success", "messages": messages}
        if seed % 10 == 9 and self.ran[name] <= seed // 10:
            status["status_str"] = "error"
            error = {"node_type": "Noise", "exception_message": f"no luck with {seed}"}
            messages.append(["execution_error", error])
        if self.queue and self.queue[0][0] == prompt:
            self.queue.pop(0)
            self.history[prompt] = {"outputs": {"2": {"images": files}}, "status": status}
            await self.emit(body, "executing", {"node": None})

    async def emit(self, body, kind, data):
        socket = self.sockets.get(body["client_id"])
        if socket and not socket.closed and not self.trouble("mute"):
            message = {"type": kind, "data": data | {"prompt_id": body["prompt_id"]}}
            await socket.send_str(json.dumps(message))


def cut_off(request):
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def served(fake):
    async with LocalServer(fake.app) as server:
        working = asyncio.create_task(fake.work())
        try:
            yield str(server.make_url("/"))
        finally:
            working.cancel()


QUICK = Pace(poll=0.02, pause=0.01, longest_pause=0.05)


async def done(fake, folder, rows, *, stop_after=None, patience=300, **chosen):
    """The manifest's entries at the end of a batch, stopped when so many jobs have ended."""
    jobs = {job.name: job for job in plan(GRAPH, rows, "b")}
    ended = []

    def show(name, what, data):
        if what in ("done", "failed"):
            ended.append(name)
            if len(ended) == stop_after:
                task.cancel()

    with Manifest(folder / "m") as manifest:
        manifest.add(list(jobs.values()))
        async with served(fake) as url, session() as opened:
            server = Server(opened, url, manifest.client(), Patience(patience), QUICK)
            results = Results(folder / "out", 1 << 20)
            runner = Runner(server, manifest, jobs, results, show=show, **chosen)
            task = asyncio.create_task(runner.run())
            await asyncio.wait([task], timeout=60)
            assert task.done(), "it hangs"
            if stop_after is None:
                await task
            return manifest.entries()


ROWS = [{"name": "j", "noise.seed": "1..8"}, {"name": "k", "noise.seed": "11..18"}]


def results(folder):
    return sorted(path.name for path in (folder / "out").iterdir())


def test_every_job_runs_once_on_a_good_server(tmp_path):
    fake = Fake()
    entries = asyncio.run(done(fake, tmp_path, ROWS))
    assert {entry.state for entry in entries.values()} == {"done"}
    assert set(fake.ran.values()) == {1}
    assert results(tmp_path) == sorted(f"{name}.png" for name in entries)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kinds", ["mute", "before after view", "idle running", "all"])
def test_every_job_is_done_on_a_bad_server(tmp_path, kinds, seed):
    rng = random.Random(f"{kinds} {seed}")
    share = {"running": 0.1, "idle": 0.03}
    fake = Fake(
        lambda event: (kinds == "all" or event in kinds) and rng.random() < share.get(event, 0.2)
    )
    entries = asyncio.run(done(fake, tmp_path, ROWS))
    deadly = [entry for entry in entries.values() if entry.state == "failed"]
    assert all("while it ran this job" in entry.error for entry in deadly)
    assert results(tmp_path) == sorted(f"{n}.png" for n, e in entries.items() if e.state == "done")
    if kinds in ("mute", "before after view"):  # it forgets nothing: nothing may run twice
        assert set(fake.ran.values()) == {1}
        assert deadly == []


@pytest.mark.parametrize("stop_after", [1, 5, 15])
def test_a_stopped_batch_continues_where_it_was(tmp_path, stop_after):
    fake = Fake()
    asyncio.run(done(fake, tmp_path, ROWS, stop_after=stop_after))
    assert len(results(tmp_path)) < 16
    again = Fake()
    again.history, again.queue, again.ran = fake.history, fake.queue, fake.ran  # it ran on
    entries = asyncio.run(done(again, tmp_path, ROWS))
    assert {entry.state for entry in entries.values()} == {"done"}
    assert set(again.ran.values()) == {1}


def test_a_stopped_batch_withdraws_its_own_jobs_and_no_others(tmp_path):
    fake = Fake()
    asyncio.run(done(fake, tmp_path, ROWS, stop_after=3, ahead=5))
    with Manifest(tmp_path / "m") as manifest:
        ours = {entry.prompt for entry in manifest.entries().values()}
    assert fake.withdrawn and set(fake.withdrawn) <= ours


def test_a_job_that_fails_is_tried_as_often_as_asked_and_keeps_its_error(tmp_path):
    rows = [{"name": "j", "noise.seed": [1, 19, 39]}]  # 19 works the second time, 39 the fourth
    entries = asyncio.run(done(Fake(), tmp_path, rows, retries=2))
    assert {name: entry.state for name, entry in entries.items()} == {
        "j-1": "done",
        "j-19": "done",
        "j-39": "failed",
    }
    assert entries["j-39"].error == "Noise: no luck with 39"
    assert entries["j-39"].tries == 3


def test_a_refused_job_is_not_tried_again_and_stops_no_other(tmp_path):
    fake = Fake()
    rows = [{"name": "j", "noise.seed": [-1, 1]}]
    entries = asyncio.run(done(fake, tmp_path, rows, retries=5))
    states = [(entry.state, entry.tries) for entry in entries.values()]
    assert sorted(states) == [("done", 1), ("failed", 1)]


def test_a_job_that_ends_the_server_each_time_is_given_up(tmp_path):
    fake = Fake(lambda event: event == "running" and "deadly" in json.dumps(fake.queue[0]))
    rows = [{"name": "deadly"}, {"name": "fine", "noise.seed": "1..3"}]
    entries = asyncio.run(done(fake, tmp_path, rows))
    assert {name for name, entry in entries.items() if entry.state == "failed"} == {"deadly"}
    assert "ended 3 times" in entries["deadly"].error


def test_a_server_without_the_nodes_is_refused_before_anything_runs(tmp_path, monkeypatch):
    fake = Fake()
    monkeypatch.delitem(KNOWN, "Save")
    with pytest.raises(PlanError, match="lacks the nodes Save"):
        asyncio.run(done(fake, tmp_path, ROWS))
    assert not fake.ran


def test_a_server_that_stays_away_is_waited_for_as_long_as_asked(tmp_path):
    async def alone():
        jobs = {job.name: job for job in plan(GRAPH, ROWS, "b")}
        with Manifest(tmp_path / "m") as manifest:
            manifest.add(list(jobs.values()))
            async with session() as opened:
                where = "http://127.0.0.1:9"
                server = Server(opened, where, manifest.client(), Patience(0.05), QUICK)
                await Runner(server, manifest, jobs, Results(tmp_path, 1 << 20)).run()

    with pytest.raises(ServerAwayError, match=r"127\.0\.0\.1:9 does not answer"):
        asyncio.run(alone())


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize("retries", [0, 5])
def test_a_moment_of_errors_fails_no_job_of_a_long_table(tmp_path, status, retries):
    fake = Fake(status=lambda seed, asked: status if 20 < asked < 30 else None)
    seeds = [seed for seed in range(60) if seed % 10 != 9]  # those fail on purpose
    rows = [{"name": "j", "noise.seed": seeds}]
    entries = asyncio.run(done(fake, tmp_path, rows, retries=retries))
    assert {entry.state for entry in entries.values()} == {"done"}
    assert set(fake.ran.values()) == {1}


def test_a_job_that_alone_is_answered_500_is_tried_as_often_as_asked_and_stops_no_other(tmp_path):
    asked = Counter()

    def status(seed, _):
        asked[seed] += 1
        return 500 if seed == 3 else None

    rows = [{"name": "j", "noise.seed": "1..8"}]
    fake = Fake(status=status)
    entries = asyncio.run(done(fake, tmp_path, rows, retries=4, patience=1))
    states = {name: entry.state for name, entry in entries.items()}
    assert states == {f"j-{seed}": "failed" if seed == 3 else "done" for seed in range(1, 9)}
    assert "answers 500" in entries["j-3"].error
    assert asked[3] >= 5


def test_a_server_without_websockets_is_asked_for_its_queue(tmp_path):
    fake = Fake(trouble=lambda event: event == "no websocket")
    entries = asyncio.run(done(fake, tmp_path, ROWS))
    assert {entry.state for entry in entries.values()} == {"done"}
    assert set(fake.ran.values()) == {1}
