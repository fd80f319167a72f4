"""Ctrl-C ends a batch within a second, whatever the server does meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support.batch_server import MODES
from tools.batch.patience import Backoff, Pace, Patience, retry_after
from tools.batch.server import check_address
from tools.batch.workflow import PlanError
from tools.host import ROOT

GRAPH = {
    "1": {"class_type": "Noise", "inputs": {"seed": 0}},
    "2": {"class_type": "Save", "inputs": {"noise": ["1", 0], "filename_prefix": "x"}},
}
HANGING = ("nodes_hang", "nodes_trickle", "prompt_hang", "queue_hang", "view_hang", "view_trickle")
HANGING = (*HANGING, "nodes_429_for_years", "queued_for_ever", "nodes_endless", "ws_hang")


@pytest.fixture(scope="module")
def url():
    command = [sys.executable, "-m", "tests.support.batch_server"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    server = subprocess.Popen(command, cwd=ROOT, **pipes, stderr=subprocess.DEVNULL)
    yield server.stdout.readline().strip()
    server.communicate()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="os.kill sends no Ctrl-C on Windows")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_batch_ends_within_a_second_of_a_signal(tmp_path, url, number):
    assert set(HANGING) <= set(MODES)
    (tmp_path / "w.json").write_text(json.dumps(GRAPH))
    (tmp_path / "t.csv").write_text("name,Noise.seed\n" + "".join(f"j{n},{n}\n" for n in range(9)))
    running = {}
    for mode in HANGING:
        command = [sys.executable, "-m", "tools.batch", "w.json", "t.csv", f"--server={url}{mode}"]
        running[mode] = subprocess.Popen(
            [*command, f"--out={mode}"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    for mode in running:
        while not (tmp_path / mode / "batch.sqlite").exists():
            assert running[mode].poll() is None, running[mode].stdout.read()
            time.sleep(0.05)
    time.sleep(2)
    for mode, process in running.items():
        assert process.poll() is None or mode == "ws_hang", mode
        process.send_signal(number)
        began = time.monotonic()
        text, _ = process.communicate(timeout=20)
        took = time.monotonic() - began
        if mode != "ws_hang":
            assert process.returncode == 130, text
            assert "stopped: the same command continues" in text and "Traceback" not in text
        assert took < 1.5, mode  # 0.8 s by its own clock; the machine may be busy


NO_ADDRESS = """notaurl ftp://x http://[::1 http://x:99999 http://a..b http:// x:y http://x/?a=b
file:///etc/passwd http://x#y http://\x1b[2J"""


@pytest.mark.parametrize("text", [*NO_ADDRESS.split(), "", "http://a b"])
def test_an_address_that_is_none_is_refused_at_once(text):
    with pytest.raises(PlanError, match=r"is no address|more than an address"):
        check_address(text)


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:8188", "https://x.example/comfy/", "http://[::1]:1"]
)
def test_an_address_may_have_a_port_and_a_path(text):
    assert str(check_address(text)) == text


def test_pauses_double_up_to_the_longest_with_jitter():
    backoff = Backoff(Pace(pause=1, longest_pause=10))
    for longest in (1, 2, 4, 8, 10, 10):
        assert longest / 2 <= backoff.pause(None) <= longest
    assert backoff.pause(30) == 30
    backoff.reset()
    assert backoff.pause(None) <= 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("Thu, 01 Jan 1970 00:01:00 GMT", 50), ("Thu, 01 Jan 1970 00:00:01 GMT", 0)]
    + [(header, None) for header in (None, "", "-1", "soon", "Thu, 99 Foo", "9" * 99, "\u0667")],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    assert retry_after(header, None, now=10.0) == seconds
    assert retry_after(header, "Foo", now=10.0) == seconds


def test_a_date_to_come_back_is_one_of_the_clock_of_the_server():
    ahead = "Fri, 31 Dec 2100 23:59:{} GMT"
    assert retry_after(ahead.format(50), ahead.format(43), now=10.0) == 7
    assert retry_after("7", ahead.format(43), now=10.0) == 7
    behind = "Thu, 01 Jan 1970 00:00:{} GMT"
    assert retry_after(behind.format("05"), behind.format("02"), now=1e9) == 3


def test_patience_counts_from_the_last_progress():
    now = [0.0]
    patience = Patience(5, clock=lambda: now[0])
    now[0] = 4
    assert patience.left() == 1
    patience.progress()
    assert patience.left() == 5
