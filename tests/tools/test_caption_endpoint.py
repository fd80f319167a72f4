"""Captions by a language model behind an OpenAI-style endpoint, and the plan that reads them."""

import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from PIL import Image

from tests.support.clips import moving_file
from tests.support.plans import planned
from tools.caption_endpoint import main


@pytest.fixture
def endpoint():
    """A server of `/v1/chat/completions`: its address, the requests, and the answers to give."""
    requests, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append((self.path, self.headers.get("Authorization"), body))
            code, text = answers.pop(0) if answers else (200, "A square.\nA square moves right.")
            reply = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
            self.send_response(code)
            self.end_headers()
            self.wfile.write(reply if code == 200 else text.encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", requests, answers
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for i in range(2):
        moving_file(folder / f"{i}.mp4", seed=i)
    return folder


def captioned(folder, url, *more):
    return main([str(folder), "--url", url, "--model", "eyes", *more])


def test_a_plan_reads_the_captions_of_the_model(endpoint, folder):
    url, requests, _ = endpoint
    assert captioned(folder, url) == 0
    plan = planned(folder)
    assert [clip.caption for clip in plan.clips] == ["A square moves right."] * 2
    path, key, body = requests[0]
    assert path == "/v1/chat/completions" and key is None and body["model"] == "eyes"


def test_the_model_gets_frames_of_the_clip(endpoint, folder):
    url, requests, _ = endpoint
    captioned(folder, url)
    text, *images = requests[0][2]["messages"][0]["content"]
    assert text["type"] == "text" and len(images) == 8
    data = images[0]["image_url"]["url"].removeprefix("data:image/jpeg;base64,")
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (64, 64)


def test_one_failed_clip_does_not_stop_the_others(endpoint, folder, capsys):
    url, _, answers = endpoint
    answers.append((500, "out of memory"))
    assert captioned(folder, url) == 0
    assert "0.mp4: the endpoint answers 500: out of memory" in capsys.readouterr().out


def test_the_same_command_asks_only_for_what_is_missing(endpoint, folder):
    url, requests, _ = endpoint
    captioned(folder, url)
    captioned(folder, url)
    assert len(requests) == 2


def test_a_wrong_model_or_no_server_is_a_sentence(endpoint, folder, capsys):
    url, _, answers = endpoint
    answers.append((404, "model not found"))
    assert captioned(folder, url) == 1
    assert captioned(folder, "http://127.0.0.1:1/v1") == 1
    assert captioned(folder, "ftp://x") == 1
    text = capsys.readouterr().err
    assert (
        "check --url, --model" in text and "start the server" in text and "no web address" in text
    )


def test_a_key_is_sent_from_its_file(endpoint, folder, tmp_path):
    url, requests, _ = endpoint
    (tmp_path / "key").write_text("abc\n")
    captioned(folder, url, "--key-file", str(tmp_path / "key"))
    assert requests[0][1] == "Bearer abc"
