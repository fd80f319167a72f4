"""One ComfyUI for all host tests, with the pack as a user would link it."""

from collections.abc import Iterator

import pytest

from tools.client import Client
from tools.host import Server, bring_host


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(bring_host(), tmp_path_factory.mktemp("comfyui")) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Client:
    """A client of its own for each test, so that no test hears another's events."""
    return Client(server.client.url)
