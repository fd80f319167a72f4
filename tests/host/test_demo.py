"""The first thing a newcomer does: one command, one video, and a Ctrl-C that ends it all."""

import re
import signal
import subprocess
import sys

import av
import psutil
import pytest

from tools.host import ROOT

pytestmark = [pytest.mark.host, pytest.mark.slow]

RUN_SECONDS = 600


def demo(*options):
    command = [sys.executable, "tools/run.py", "demo", "a red ball rolls to the left on grass"]
    return subprocess.Popen(
        [*command, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def test_one_command_leaves_a_video_of_the_asked_size_and_length():
    displayed, _ = demo("--seed=1", "--steps=4", "--size=72x56", "--seconds=0.5").communicate(
        timeout=RUN_SECONDS
    )
    path = re.search(r"^(.+\.mp4): ", displayed, flags=re.M)[1]
    with av.open(path) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height) == (72, 56)
        assert video.duration / av.time_base == pytest.approx(0.5, abs=0.1)
    assert "generated at 72x56 in 4 steps, not enlarged" in displayed


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal for one process alone")
def test_ctrl_c_ends_everything_the_demo_started():
    running = demo("--steps=1000")
    for line in running.stdout:
        if line.startswith("starting ComfyUI"):
            break
    started = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    assert started
    assert [process for process in started if process.is_running()] == []
