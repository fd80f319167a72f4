"""A ComfyUI that is hostile in one of many modes, each below a path of its own: /MODE/prompt.

`python -m tests.support.batch_server` prints its address, and runs until its input ends. What a
mode does not change works: a job that is sent has ended at once and saved one picture.
"""

import asyncio
import sys
from collections import defaultdict
from functools import partial

from aiohttp import web
from aiohttp.test_utils import TestServer as LocalServer

from tests.support.batch_answers import (
    AHEAD,
    BAD_CHUNKS,
    DEEP,
    ESCAPES,
    HUGE,
    NODES,
    OTHER,
    PNG,
    alternating,
    always_queued,
    at_times,
    bomb,
    closing,
    cut,
    ever_new_others,
    failure,
    forget,
    frames,
    good_prompt,
    good_socket,
    hang,
    history,
    html,
    messages,
    node,
    ok,
    picture,
    raw,
    redirect,
    saved,
    short,
    socket_data,
    socket_summary,
    stream,
    value,
    wire,
)

GOOD = {
    "nodes": value(NODES),
    "queue": value({"queue_running": [], "queue_pending": []}),
    "withdraw": raw(b""),
    "prompt": good_prompt,
    "history": history(),
    "view": raw(PNG, kind="image/png"),
    "ws": good_socket,
}

# name -> (how the batch ends, what is different)
# done: all is right in the end. failed: each job has its sentence. away: exit code 3. plan: 2.
MODES = {
    "good": ("done", {}),
    "nodes_html": ("away", {"nodes": html()}),
    "nodes_login": ("plan", {"nodes": html(401)}),
    "nodes_missing": ("plan", {"nodes": value({"Noise": NODES["Noise"]})}),
    "nodes_404": ("plan", {"nodes": raw("no", 404)}),
    "nodes_500": ("away", {"nodes": raw("no", 500)}),
    "nodes_429_for_years": ("away", {"nodes": raw("", 429, Retry_After=HUGE[:9])}),
    "prompt_503_by_a_clock_ahead": ("done", {"prompt": at_times(
        raw("", 503, Date=AHEAD, Retry_After=AHEAD), lambda n: n < 3)}),
    "nodes_bad_retry_after": ("away", {"nodes": raw("", 503, Retry_After="Thu, 99 Foo")}),
    "nodes_bad_json": ("away", {"nodes": raw('{"Noise": ')}),
    "nodes_null": ("away", {"nodes": value(None)}),
    "nodes_list": ("away", {"nodes": value([1])}),
    "nodes_empty": ("away", {"nodes": raw("")}),
    "nodes_of_another_program": ("away", {"nodes": value({"status": "ok"})}),
    "nodes_deep": ("away", {"nodes": raw(DEEP)}),
    "nodes_huge_number": ("away", {"nodes": raw(HUGE)}),
    "nodes_not_utf8": ("away", {"nodes": raw(b"\xff\xfe\xfa")}),
    "nodes_cut_short": ("away", {"nodes": short}),
    "nodes_hang": ("away", {"nodes": hang}),
    "nodes_closed": ("away", {"nodes": cut}),
    "nodes_trickle": ("away", {"nodes": stream(b" ", 0.02)}),
    "nodes_endless": ("away", {"nodes": stream(bytes(1 << 20), 0.001)}),
    "nodes_gzip_bomb": ("away", {"nodes": bomb}),
    "nodes_redirect_other": ("plan", {"nodes": redirect("{other}object_info")}),
    "nodes_redirect_loop": ("plan", {"nodes": redirect("object_info")}),
    "nodes_header_flood": ("away", {"nodes": value(NODES, X_Much="x" * 100_000)}),
    "node_list": ("away", {"nodes": value(NODES | {"Save": [1]})}),
    "node_inputs_text": ("away", {"nodes": value(NODES | {"Save": {"input": "x"}})}),
    "node_required_list": ("away", {"nodes": value(NODES | {"Save": {"input": {"required": []}}})}),
    "node_spec_number": ("away", node(a=1)),
    "node_spec_empty": ("away", node(a=[])),
    "node_options_list": ("away", node(a=["INT", []])),
    "node_choices_text": ("away", node(a=["COMBO", {"options": "x"}])),
    "node_choice_without_key": ("away", node(a=["COMBO", {"options": [{"inputs": 1}]}])),
    "prompt_html": ("away", {"prompt": html()}),
    "prompt_list": ("away", {"prompt": value([])}),
    "prompt_null": ("away", {"prompt": value(None)}),
    "prompt_without_id": ("away", {"prompt": value({"node_errors": {}})}),
    "prompt_other_id": ("away", {"prompt": value({"prompt_id": "x", "node_errors": {}})}),
    "prompt_bad_errors": ("failed", {"prompt": value({"node_errors": [1, {"errors": 3}]})}),
    "prompt_400_html": ("failed", {"prompt": html(400)}),
    "prompt_400_escapes": ("failed", {"prompt": value({"error": ESCAPES}, status=400)}),
    "prompt_400_nothing": ("failed", {"prompt": raw("", 400)}),
    "prompt_413": ("failed", {"prompt": raw("too large", 413)}),
    "prompt_401": ("away", {"prompt": html(401)}),
    "prompt_500": ("failed", {"prompt": raw("no", 500)}),
    "prompt_500_for_a_moment": ("done", {"prompt": at_times(raw("", 500), lambda n: n < 5)}),
    "prompt_429_for_a_moment": ("done", {"prompt": at_times(raw("", 429), lambda n: n < 5)}),
    "prompt_500_every_other": ("done", {"prompt": at_times(raw("", 500), lambda n: n % 2)}),
    "prompt_503": ("away", {"prompt": raw("no", 503)}),
    "prompt_hang": ("away", {"prompt": hang}),
    "prompt_closed": ("away", {"prompt": cut}),
    "prompt_redirect": ("away", {"prompt": redirect("{other}prompt")}),
    "prompt_endless": ("away", {"prompt": stream(bytes(1 << 20))}),
    "lost_for_ever": ("failed", {"prompt": forget}),
    "queue_html": ("away", {"queue": html()}),
    "queue_500": ("away", {"queue": raw("", 500)}),
    "queue_list": ("away", {"queue": value([])}),
    "queue_null": ("away", {"queue": value(None)}),
    "queue_odd_items": ("away", {"queue": value({"queue_running": [3], "queue_pending": [{}]})}),
    "queue_number_ids": ("away", {"queue": value({"queue_running": [[0, 7]]})}),
    "queue_hang": ("away", {"queue": hang}),
    "queue_of_others_for_ever": ("away", {"queue": ever_new_others, "history": value({})}),
    "events_for_ever": ("away", {
        "queue": always_queued, "history": value({}), "ws": alternating}),
    "queued_for_ever": ("away", {"queue": always_queued, "history": value({})}),
    "history_html": ("away", {"history": html()}),
    "history_500": ("away", {"history": raw("", 500)}),
    "history_list": ("away", {"history": value([])}),
    "history_null": ("away", {"history": value(None)}),
    "history_deep": ("away", {"history": raw(DEEP)}),
    "history_entry_text": ("failed", {"history": history("x")}),
    "history_status_text": ("failed", {"history": history(status="fine")}),
    "history_status_unknown": ("failed", {"history": history(status={"status_str": 4})}),
    "history_messages_text": ("failed", messages("ab", 3)),
    "history_messages_odd": ("failed", messages([["x"], {}])),
    "history_stamps": ("done", messages(["execution_start", {"timestamp": [float("inf")]}])),
    "history_stamp_infinite": ("done", messages(["execution_start", {"timestamp": 10**300}])),
    "history_error_types": ("failed", failure(node_type=[1], exception_message={"a": 1})),
    "history_error_nothing": ("failed", failure()),
    "history_error_escapes": ("failed", failure(node_type="A", exception_message=ESCAPES)),
    "history_error_long": ("failed", failure(node_type="A", exception_message="x" * 10**6)),
    "history_outputs_list": ("failed", {"history": history(outputs=[1])}),
    "history_outputs_text": ("failed", {"history": history(outputs={"2": "x"})}),
    "history_saved_nothing": ("failed", {"history": history(outputs={})}),
    "file_name_number": ("failed", saved(picture(7))),
    "file_name_null": ("failed", saved(picture(None))),
    "file_name_empty": ("failed", saved(picture(""))),
    "file_without_subfolder": ("done", saved({"filename": "x.png", "type": "output"})),
    "file_name_nul": ("failed", saved(picture("a\0.png"))),
    "file_name_surrogate": ("failed", saved(picture("\ud800.png"))),
    "file_type_table": ("failed", saved(picture(type={"a": 1}))),
    "file_escapes": ("failed", saved(picture("\x1b[2J\x1b]0;owned\x07"))),
    "file_sqlite": ("failed", saved(picture("a.sqlite"))),
    "file_exe": ("failed", saved(picture("a.exe"))),
    "file_stream": ("failed", saved(picture("a.png:evil"))),
    "file_up": ("done", saved(picture("../../../up.png"))),
    "file_up_suffix": ("failed", saved(picture("a.png/../../b"))),
    "file_long_name": ("failed", saved(picture("x" * 100_000 + ".png"))),
    "file_thousands": ("failed", saved(*[picture()] * 20_000)),
    "view_html": ("failed", {"view": html()}),
    "view_html_as_png": ("failed", {"view": raw("<html>log in</html>", kind="image/png")}),
    "view_empty": ("failed", {"view": raw(b"", kind="image/png")}),
    "view_another_format": ("failed", {"view": raw(b"GIF89a" + bytes(9), kind="image/png")}),
    "view_404": ("failed", {"view": raw("", 404)}),
    "view_401": ("away", {"view": html(401)}),
    "view_403": ("away", {"view": raw("", 403)}),
    "view_403_above": (
        "failed",
        {"view": raw("", 403)} | saved(picture(subfolder="../elsewhere")),
    ),
    "view_403_absolute": ("failed", {"view": raw("", 403)} | saved(picture(subfolder="D:\\x"))),
    "view_403_below": ("away", {"view": raw("", 403)} | saved(picture(subfolder="a/b"))),
    "view_511": ("away", {"view": html(511)}),
    "view_redirect_same": ("away", {"view": redirect("view/login")}),
    "prompt_redirect_same": ("away", {"prompt": redirect("login")}),
    "queue_401": ("away", {"queue": html(401)}),
    "history_403": ("away", {"history": html(403)}),
    "view_503": ("away", {"view": raw("", 503)}),
    "view_short": ("failed", {"view": short}),
    "view_hang": ("away", {"view": hang}),
    "view_trickle": ("away", {"view": stream(b"x", 0.02, "image/png")}),
    "view_endless": ("failed", {"view": stream(bytes(1 << 20), kind="image/png")}),
    "view_promises_too_much": ("failed", {"view": stream(b"x", 1, Content_Length=HUGE[:15])}),
    "view_gzip_bomb": ("away", {"view": bomb}),
    "view_redirect": ("away", {"view": redirect("{other}view")}),
    "nodes_of_ssh": ("away", {"nodes": wire(b"SSH-2.0-OpenSSH_9.6\r\n" + bytes(300))}),
    "nodes_one_byte_a_moment": ("away", {"nodes": wire(b"X", pause=0.02, again=True, first=b"H")}),
    "nodes_continue_for_ever": ("away", {
        "nodes": wire(b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.001, again=True)}),
    "nodes_headers_for_ever": ("away", {
        "nodes": wire(b"A: b\r\n", pause=0.001, again=True, first=b"HTTP/1.1 200 OK\r\n")}),
    "nodes_chunk_extension_for_ever": ("away", {"nodes": wire(
        b"x" * 1000, pause=0.001, again=True, first=ok(b"Transfer-Encoding: chunked") + b"1;")}),
    "view_trailers_for_ever": ("failed", {"view": wire(
        b"a: b\r\n" * 99, pause=0.001, again=True,
        first=ok(b"Transfer-Encoding: chunked") + b"6c\r\n" + PNG + b"\r\n0\r\n")}),
    "nodes_without_a_length": ("away", {"nodes": wire(ok(b"Connection: close"))}),
    "view_without_a_length": ("done", {"view": wire(ok(b"Connection: close"), PNG)}),
    "view_of_bad_chunks": ("away", {"view": wire(BAD_CHUNKS)}),
    **{
        f"{part}_of_bad_chunks": ("away", {part: wire(BAD_CHUNKS)})
        for part in ("nodes", "prompt", "queue", "history")
    },
    "view_without_last_chunk": ("failed", {
        "view": wire(ok(b"Transfer-Encoding: chunked"), b"6c\r\n" + PNG + b"\r\n")}),
    "view_of_negative_length": ("away", {"view": wire(ok(b"Content-Length: -5"), PNG)}),
    "view_of_two_lengths": ("away", {
        "view": wire(ok(b"Content-Length: 108", b"Content-Length: 9"), PNG)}),
    "view_in_brotli": ("away", {"view": raw(PNG, kind="image/png", Content_Encoding="br")}),
    "ws_compressed_unasked": ("done", {"ws": frames(b"\xc1\x05\xaa\x56\x4a\x05\x00")}),
    "ws_masked": ("done", {"ws": frames(b"\x81\x81abcd\x00")}),
    "ws_long_ping": ("done", {"ws": frames(b"\x89\x7e\x01\x00" + bytes(256))}),
    "ws_upgraded_to_another": ("done", {"ws": wire(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")}),
    "ws_closed_1013": ("done", {"ws": closing(1013, b"try again later")}),
    "ws_closed_1001": ("done", {"ws": closing(1001)}),
    "ws_closed_1009": ("done", {"ws": closing(1009, b"too big")}),
    "ws_closed_4999_escapes": ("done", {"ws": closing(4999, b"\x1b[2J\x1b]0;owned\x07")}),
    "ws_closed_by_a_bad_code": ("done", {"ws": closing(5, b"\xff\xfe")}),
    "ws_closed_without_a_code": ("done", {"ws": frames(b"\x88\x00")}),
    "ws_bad_utf8": ("done", {"ws": frames(b"\x81\x03\xff\xfe\xfd")}),
    "ws_bad_opcode": ("done", {"ws": frames(b"\x8b\x00", b"\xff\xff")}),
    "ws_pieces_without_end": ("done", {"ws": frames(b"\x01\x01x", *[b"\x00\x01x"] * 2000)}),
    "ws_ping_flood": ("done", {"ws": frames(b"\x89\x01x", times=5000)}),
    "ws_length_of_exabytes": ("done", {"ws": frames(b"\x82\x7f\x7f" + b"\xff" * 7 + b"x")}),
    "ws_403": ("done", {"ws": raw("", 403)}),
    "ws_404": ("done", {"ws": raw("", 404)}),
    "ws_is_a_page": ("done", {"ws": html()}),
    "ws_redirect": ("done", {"ws": redirect("{other}ws")}),
    "ws_hang": ("done", {"ws": hang}),
    "ws_closes": ("done", {"ws": socket_summary(then="end")}),
    "ws_bad_json": ("done", {"ws": socket_summary("{", DEEP, HUGE, "\x1b[2J")}),
    "ws_odd_values": ("done", {"ws": socket_summary("[]", "null", '"x"', '{"type": 3}')}),
    "ws_no_data": ("done", {"ws": socket_summary('{"type": "executing"}')}),
    "ws_data_list": ("done", {"ws": socket_summary('{"type": "executing", "data": [1]}')}),
    "ws_prompt_list": ("done", {"ws": socket_summary('{"type": "x", "data": {"prompt_id": []}}')}),
    "ws_progress_text": ("done", socket_data(value="x", max=[])),
    "ws_progress_nan": ("done", socket_data(value=float("nan"), max=float("inf"))),
    "ws_node_escapes": ("done", socket_data("executing", node=ESCAPES.replace("\ud800", ""))),
    "ws_large": ("done", {"ws": socket_summary("x" * (40 << 20))}),
    "ws_binary": ("done", {"ws": socket_summary(bytes(1000), b"", bytes(8))}),
    "ws_flood": ("done", {"ws": socket_summary('{"type": "status", "data": {}}', times=5000)}),
}  # fmt: skip


class Host:
    """The state of one mode: what it was sent, and what was asked of the other host."""

    def __init__(self):
        self.graphs = {}
        self.asked = defaultdict(int)
        self.sockets = []


class HostileServer:
    """The application, and another host, which counts the requests that reach it."""

    def __init__(self):
        self.hosts = {mode: Host() for mode in MODES}
        self.asked_elsewhere = 0
        self.other = web.Application()
        self.other.router.add_route("*", "/{path:.*}", self.elsewhere)
        self.app = web.Application()
        routes = {
            "GET": {"object_info": "nodes", "queue": "queue", "view": "view", "ws": "ws"},
            "POST": {"prompt": "prompt", "queue": "withdraw"},
        }
        for method, paths in routes.items():
            for path, part in paths.items():
                self.app.router.add_route(method, f"/{{mode}}/{path}", partial(self.answer, part))
        self.app.router.add_get("/{mode}/history/{prompt}", partial(self.answer, "history"))
        self.app.router.add_get("/asked_elsewhere", self.count)

    async def elsewhere(self, request):
        self.asked_elsewhere += 1
        return web.json_response(NODES)

    async def count(self, request):
        return web.json_response(self.asked_elsewhere)

    async def answer(self, part, request):
        mode = request.match_info["mode"]
        handler = MODES[mode][1].get(part) or GOOD[part]
        return await handler(self.hosts[mode], request)


async def serve():
    hostile = HostileServer()
    async with LocalServer(hostile.other) as other:
        hostile.app[OTHER] = str(other.make_url("/"))
        async with LocalServer(hostile.app) as server:
            print(server.make_url("/"), flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
