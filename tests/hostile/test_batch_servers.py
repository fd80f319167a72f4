"""Whatever a server does, a batch ends in time, in a sentence, with no wrong result on the disk."""

import asyncio
import subprocess
import sys
import time

import pytest

from tests.support.batch_answers import PNG
from tests.support.batch_server import MODES
from tools.batch.jobs import plan
from tools.batch.manifest import Manifest
from tools.batch.patience import Pace, Patience
from tools.batch.results import DiskError, Results
from tools.batch.runner import Runner, ServerAwayError
from tools.batch.server import Server, session
from tools.batch.text import printable
from tools.batch.workflow import PlanError
from tools.host import ROOT

pytestmark = pytest.mark.slow

resource = pytest.importorskip("resource", reason="memory is measured as Unix counts it")

GRAPH = {
    "1": {"class_type": "Noise", "inputs": {"seed": 0}},
    "2": {"class_type": "Save", "inputs": {"noise": ["1", 0], "filename_prefix": "x"}},
}
PACE = Pace(poll=0.1, pause=0.02, longest_pause=0.2, request=5, window=0.5, stall=3)
WAIT, LIMIT, AT_ONCE = 4, 40, 15
LONGER = 60  # for modes that end of themselves, so that a slow machine changes nothing
MEMORY_MB = 600  # more than before, with so many batches in one process


async def outcome(mode, url, folder):
    """How a batch of two jobs ends, in a word, and the sentences that it prints."""
    jobs = {job.name: job for job in plan(GRAPH, [{"name": "j", "noise.seed": "1..2"}], "b")}
    sentences = []

    def show(name, what, data):
        sentences.append(printable(str(data.get("error") or "")))

    with Manifest(folder / "m") as manifest:
        manifest.add(list(jobs.values()))
        async with session() as opened:
            away = MODES[mode][0] == "away"
            patience = Patience(WAIT if away else LONGER)
            server = Server(opened, f"{url}{mode}", manifest.client(), patience, PACE)
            results = Results(folder / "out", 4 << 20)
            runner = Runner(server, manifest, jobs, results, show=show)
            try:
                await asyncio.wait_for(runner.run(), LIMIT if away else LIMIT + LONGER)
            except ServerAwayError as error:
                return "away", [*sentences, str(error)]
            except PlanError as error:
                return "plan", [*sentences, str(error)]
            except DiskError as error:
                return "disk", [*sentences, str(error)]
            except (asyncio.TimeoutError, TimeoutError):
                return "never", sentences
        entries = manifest.entries().values()
    states = {entry.state for entry in entries}
    return "+".join(sorted(states)), [*sentences, *(entry.error or "" for entry in entries)]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """How each mode ends, several at once; and how many requests went to the other host."""
    base = tmp_path_factory.mktemp("servers")
    command = [sys.executable, "-m", "tests.support.batch_server"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, cwd=ROOT, **pipes, text=True)
    url = server.stdout.readline().strip()

    async def one(mode, url, slots):
        async with slots:
            folder = base / mode
            folder.mkdir()
            began = time.monotonic()
            try:
                ended, sentences = await outcome(mode, url, folder)
            except Exception as error:
                ended, sentences = f"traceback: {error!r:.200}", []
            return mode, (ended, sentences, time.monotonic() - began)

    async def everything():
        slots = asyncio.Semaphore(AT_ONCE)
        ended = await asyncio.gather(*(one(mode, url, slots) for mode in MODES))
        async with session() as opened, opened.get(f"{url}asked_elsewhere") as reply:
            return dict(ended), await reply.json()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found, asked_elsewhere = asyncio.run(everything())
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    server.communicate()
    return found, asked_elsewhere, base, grown


def test_every_mode_ends_in_time_and_in_a_sentence(outcomes):
    found, _, _, grown = outcomes
    wrong = {
        mode: (ended, sentences[-1:])
        for mode, (ended, sentences, seconds) in found.items()
        if ended != MODES[mode][0] or (ended != "done" and not any(sentences))
    }
    longest = max(seconds for _, _, seconds in found.values())
    ended = len(found) - len(wrong)
    print(f"{ended} of {len(found)} modes of a hostile server ended in a sentence, the longest in")
    print(f"{longest:.1f} s; memory grew by {grown:.0f} MB over all of them")
    assert wrong == {}
    assert len(found) >= 70


def test_no_sentence_is_long_or_holds_what_a_terminal_obeys(outcomes):
    found, _, _, _ = outcomes
    sentences = [text for _, texts, _ in found.values() for text in texts]
    assert [text for text in sentences if text != printable(text, 500)] == []


def test_no_request_follows_a_redirect_to_another_host(outcomes):
    _, asked_elsewhere, _, _ = outcomes
    assert asked_elsewhere == 0


def test_every_result_is_the_picture_that_was_asked_for_and_lies_in_its_folder(outcomes):
    found, _, base, _ = outcomes
    for mode, (ended, _, _) in found.items():
        files = sorted(path for path in (base / mode).rglob("*") if path.is_file())
        results = [path for path in files if path.parent.name != mode]
        expected = ["j-1.png", "j-2.png"] if ended == "done" else []
        assert [path.name for path in results] == expected, mode
        assert {path.read_bytes() for path in results} <= {PNG}
    assert sorted(path.name for path in base.iterdir()) == sorted(MODES)


def test_the_promise_names_as_many_modes_as_there_are():
    promise = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert f"a server of {len(MODES)} hostile modes" in promise


def test_no_mode_fills_the_memory(outcomes):
    _, _, _, grown = outcomes
    assert grown < MEMORY_MB
