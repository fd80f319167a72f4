"""Every workflow that was ever released still runs, where it is not one of today's."""

import pytest

from tests.host.test_workflows import WORKFLOWS
from tools.host import ROOT
from tools.released import RELEASED, read

pytestmark = pytest.mark.host

TODAY = [read(path) for path in WORKFLOWS]  # tests/host/test_workflows.py runs them
OLDER = [path for path in sorted(RELEASED.glob("*/api/*.json")) if read(path) not in TODAY]
OURS = [path for path in OLDER if not path.stem.startswith("host_")]  # the others need downloads


@pytest.mark.parametrize("path", OURS, ids=[str(path.relative_to(ROOT)) for path in OURS])
def test_a_released_workflow_runs(client, path):
    assert client.run(client.completed(read(path))).files(kind="output")
