"""The shapes that the core's annotations promise are checked while the tests run.

What a hostile test prints is a figure, and is shown at the end of the run.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

import tests.support.shapes
from tests.support.compiled import store_compiled
from tools.client import Client
from tools.host import ROOT, Server, bring_host
from tools.run import own_python, tree

CHECKED = ["sora_core.models", "sora_core.sampling", "sora_core.shapes"]  # numba compiles the world

install_import_hook(CHECKED, f"{tests.support.shapes.__name__}.check")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--comfyui", type=tree, help="a ComfyUI to serve in place of the pinned one")
    parser.addoption("--every-mistake", action="store_true", help="in the page: not some of them")
    parser.addoption("--prompts", type=int, default=500, help="hostile prompts to the server")


@pytest.fixture(scope="session")
def comfyui(pytestconfig: pytest.Config) -> Callable[..., Server]:
    """Makes a `Server` of the ComfyUI that is tried: the pinned one, or another from outside."""
    other: Path | None = pytestconfig.getoption("--comfyui")
    if other is None:
        return partial(Server, bring_host())
    return partial(Server, other, python=str(own_python(other) or sys.executable))


@pytest.fixture(scope="session")
def server(
    comfyui: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One ComfyUI for all tests that need one, with the pack as a user would link it."""
    with comfyui(tmp_path_factory.mktemp("comfyui")) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Client:
    """A client of its own for each test, so that no test hears another's events."""
    return Client(server.client.url)


def pytest_collection_finish() -> None:
    store_compiled(ROOT)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = terminalreporter.getreports("passed")
    displayed = ("tests/hostile/", "tests/host/", "tests/browser/", "tests/tools/")
    figures = [report.capstdout for report in passed if report.nodeid.startswith(displayed)]
    for line in "".join(figures).splitlines():
        terminalreporter.write_line(line)
