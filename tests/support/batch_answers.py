"""Answers of a hostile ComfyUI, as handlers of a host and a request: wrong, endless, cut or slow.

A handler gets the `Host` of its mode in `tests.support.batch_server` and the request of aiohttp.
"""

import asyncio
import gzip
import json

from aiohttp import web

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
NODES = {name: {"input": {"required": {}}} for name in ("Noise", "Save")}
ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e\r\nline\ud800"
DEEP = "[" * 200_000
HUGE = "9" * 5000
AHEAD = "Fri, 31 Dec 2100 23:59:59 GMT"  # of a server whose clock is wrong
OTHER = web.AppKey("other", str)


def raw(body, status=200, kind="application/json", **headers):
    """A handler that always answers the same bytes or text."""

    async def answer(host, request):
        content = body if isinstance(body, bytes) else body.encode(errors="surrogatepass")
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=content, status=status, headers={"Content-Type": kind, **names})

    return answer


def value(answer, **chosen):
    return raw(json.dumps(answer), **chosen)


def html(status=200):
    return raw("<!DOCTYPE html><html><body>Log in</body></html>", status, "text/html")


async def hang(host, request):
    await asyncio.sleep(60)
    return web.Response()


async def cut(host, request):
    request.transport.abort()
    return web.Response()


def stream(piece, pause=0.0, kind="application/json", **headers):
    """A handler that sends the same piece for ever."""

    async def answer(host, request):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = web.StreamResponse(headers={"Content-Type": kind, **names})
        await reply.prepare(request)
        while True:
            await reply.write(piece)
            await asyncio.sleep(pause)

    return answer


async def short(host, request):
    reply = web.StreamResponse(headers={"Content-Length": "100000"})
    await reply.prepare(request)
    await reply.write(PNG)
    request.transport.close()
    return reply


def wire(*pieces, pause=0.0, again=False, first=b""):
    """A handler that writes bytes of its own to the connection, for ever if `again`."""

    async def answer(host, request):
        transport = request.transport
        transport.write(first)
        while not transport.is_closing():
            for piece in pieces:
                transport.write(piece)
                await asyncio.sleep(pause)
            if not again:
                break
        transport.close()
        return web.Response()

    return answer


def ok(*lines):
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Type: image/png", *lines, b"", b""])


BAD_CHUNKS = ok(b"Transfer-Encoding: chunked") + b"ZZ\r\n"


def closing(code, reason=b""):
    """A websocket that is closed with a code and a reason as they are."""
    return frames(bytes([0x88, 2 + len(reason)]) + code.to_bytes(2, "big") + reason)


def frames(*pieces, times=1):
    """A websocket on which frames are written as they are."""

    async def answer(host, request):
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        for piece in pieces * times:
            if request.transport is None or request.transport.is_closing():
                break
            request.transport.write(piece)
            await asyncio.sleep(0)
        await asyncio.sleep(1)
        return socket

    return answer


def redirect(to):
    async def answer(host, request):
        raise web.HTTPFound(to.format(other=request.app[OTHER]))

    return answer


async def good_prompt(host, request):
    body = await request.json()
    host.graphs[body["prompt_id"]] = body["prompt"]
    for socket in host.sockets:
        data = {"prompt_id": body["prompt_id"], "node": None}
        await socket.send_str(json.dumps({"type": "executing", "data": data}))
    return web.json_response({"prompt_id": body["prompt_id"], "node_errors": {}})


def at_times(bad, when):
    """`bad` if `when` is true for the number of the request, and else a good answer."""

    async def answer(host, request):
        host.asked["times"] += 1
        return await (bad if when(host.asked["times"]) else good_prompt)(host, request)

    return answer


async def forget(host, request):
    body = await request.json()
    return web.json_response({"prompt_id": body["prompt_id"], "node_errors": {}})


def history(change=None, **changed):
    """A handler that changes the entry of the job that is asked for."""

    async def answer(host, request):
        prompt = request.match_info["prompt"]
        if prompt not in host.graphs:
            return web.json_response({})
        entry = {
            "outputs": {"2": {"images": [picture("x.png")]}},
            "status": {"status_str": "success", "messages": [["execution_success", {}]]},
        }
        entry = change if changed == {} and change is not None else entry | changed
        return web.Response(
            body=json.dumps({prompt: entry}).encode(), content_type="application/json"
        )

    return answer


def picture(name="x.png", **more):
    return {"filename": name, "subfolder": "", "type": "output", **more}


def saved(*files):
    return {"history": history(outputs={"2": {"images": list(files)}})}


def failure(**message):
    status = {"status_str": "error", "messages": [["execution_error", message]]}
    return {"history": history(status=status)}


def messages(*found):
    return {"history": history(status={"status_str": "success", "messages": list(found)})}


def socket_summary(*texts, times=1, then="stay"):
    """A websocket that sends the texts so often, and then stays open or ends."""

    async def answer(host, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for text in texts * times:
            if isinstance(text, bytes):
                await socket.send_bytes(text)
            else:
                prompts = [*host.graphs, "none"]
                await socket.send_str(text.replace("PROMPT", prompts[0]))
        if then == "stay":
            async for _ in socket:
                pass
        return socket

    return answer


async def good_socket(host, request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    host.sockets.append(socket)
    async for _ in socket:
        pass
    host.sockets.remove(socket)
    return socket


async def always_queued(host, request):
    waiting = [[0, prompt] for prompt in host.graphs]
    return web.json_response({"queue_running": waiting, "queue_pending": []})


async def ever_new_others(host, request):
    """Our jobs wait behind two of others, each time other ones."""
    host.asked["others"] += 1
    prompts = [f"other {host.asked['others'] + i}" for i in range(2)] + [*host.graphs]
    pending = [[i, prompt] for i, prompt in enumerate(prompts)]
    return web.json_response({"queue_running": [], "queue_pending": pending})


async def alternating(host, request):
    """A websocket on which a job goes to and fro between two steps."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    while not socket.closed:
        for prompt in [*host.graphs]:
            host.asked["steps"] += 1
            data = {"prompt_id": prompt, "node": "1", "value": host.asked["steps"] % 2, "max": 9}
            await socket.send_str(json.dumps({"type": "progress", "data": data}))
        await asyncio.sleep(0.05)
    return socket


async def bomb(host, request):
    content = gzip.compress(bytes(64 << 20))
    return web.Response(body=content, headers={"Content-Encoding": "gzip"})


def node(**inputs):
    return {"nodes": value(NODES | {"Save": {"input": {"required": inputs}}})}


def socket_data(kind="progress", **data):
    event = {"type": kind, "data": {"prompt_id": "PROMPT", **data}}
    return {"ws": socket_summary(json.dumps(event))}
