"""The shapes that the core's annotations promise are checked while the tests run.

What a hostile test prints is a figure, and is shown at the end of the run.
"""

from collections.abc import Iterator

import pytest
from jaxtyping import install_import_hook

import tests.shapes
from tools.client import Client
from tools.host import Server, bring_host

CHECKED = ["sora_core.models", "sora_core.sampling", "sora_core.shapes"]  # numba compiles the world

install_import_hook(CHECKED, f"{tests.shapes.__name__}.check")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One ComfyUI for all tests that need one, with the pack as a user would link it."""
    with Server(bring_host(), tmp_path_factory.mktemp("comfyui")) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Client:
    """A client of its own for each test, so that no test hears another's events."""
    return Client(server.client.url)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = terminalreporter.getreports("passed")
    shown = ("tests/hostile/", "tests/host/")
    figures = [report.capstdout for report in passed if report.nodeid.startswith(shown)]
    for line in "".join(figures).splitlines():
        terminalreporter.write_line(line)
