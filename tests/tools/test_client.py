"""The client reports the outcome of a graph for any answers of a server, here a small one."""

import asyncio
import threading
from contextlib import contextmanager

import pytest
from aiohttp import web

from tools.client import Client, GraphError, RefusedError
from tools.host import free_port

GRAPH = {"1": {"class_type": "Save", "inputs": {}}}
SAVED = {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]}
DISPLAYED = {"images": [{"filename": "b.png", "subfolder": "", "type": "temp"}]}
PREVIEW = (1).to_bytes(4, "big") + (2).to_bytes(4, "big") + b"picture"
SUCCESS = ("execution_success", {"prompt_id": "ours"})


@contextmanager
def served(messages, answer=None):
    """A client of a server that accepts a graph, sends `messages`, and hangs up."""
    sockets = {}

    async def listen(request):
        sockets[request.query["clientId"]] = socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    async def take(request):
        socket = sockets[(await request.json())["client_id"]]
        asyncio.get_running_loop().create_task(send_late(socket))
        return web.json_response(
            answer or {"prompt_id": "ours", "node_errors": {}}, status=400 if answer else 200
        )

    async def send_late(socket):
        await asyncio.sleep(0.05)
        for message in messages:
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_json({"type": message[0], "data": message[1]})
        await socket.close()

    async def view(request):
        return web.Response(text=request.query["filename"])

    async def serve():
        app = web.Application()
        app.add_routes([web.get("/ws", listen), web.post("/prompt", take), web.get("/view", view)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        up.set()
        await asyncio.to_thread(over.wait)
        await runner.cleanup()

    port, up, over = free_port(), threading.Event(), threading.Event()
    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    assert up.wait(10)
    try:
        yield Client(f"http://127.0.0.1:{port}")
    finally:
        over.set()
        thread.join()


def test_a_run_tells_its_files_its_previews_and_nothing_of_others():
    messages = [
        PREVIEW,
        ("executed", {"prompt_id": "theirs", "node": "1", "output": DISPLAYED}),
        ("executed", {"prompt_id": "ours", "node": "1", "output": SAVED}),
        ("executed", {"prompt_id": "ours", "node": "2", "output": DISPLAYED}),
        SUCCESS,
    ]
    heard = []
    with served(messages) as client:
        run = client.run(GRAPH, on_event=lambda kind, data: heard.append(kind))
        assert client.view(run.files()[0]) == b"a.png"
    assert run.previews == [b"picture"]
    assert run.files() == SAVED["images"] + DISPLAYED["images"]
    assert run.files("2") == run.files(kind="temp") == DISPLAYED["images"]
    assert heard == ["executed", "executed", "execution_success"]


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (
            ("execution_error", {"node_type": "Save", "exception_message": "no room\n"}),
            "Save: no room",
        ),
        (("execution_interrupted", {}), "interrupted"),
        (("status", {}), "closed the connection"),
    ],
)
def test_a_run_that_does_not_succeed_says_why(message, line):
    with served([message]) as client, pytest.raises(GraphError, match=line):
        client.run(GRAPH)


def test_a_graph_that_is_refused_differs_from_one_that_fails():
    wrong = {"class_type": "Save", "errors": [{"message": "Value too big", "details": "seed"}]}
    answer = {"error": {"message": "invalid"}, "node_errors": {"1": wrong}}
    with served([], answer) as client, pytest.raises(RefusedError, match="Save: Value too big"):
        client.run(GRAPH)


def test_it_can_be_asked_where_an_event_loop_runs():
    async def in_a_notebook(client):
        return client.fetch("/view", filename="x")

    with served([]) as client:
        assert asyncio.run(in_a_notebook(client)) == b"x"
