"""The shapes that the core's annotations promise are checked while the tests run.

What a hostile test prints is a figure, and is shown at the end of the run.
"""

import pytest
from jaxtyping import install_import_hook

import tests.shapes

CHECKED = ["sora_core.models", "sora_core.sampling", "sora_core.shapes"]  # numba compiles the world

install_import_hook(CHECKED, f"{tests.shapes.__name__}.check")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = terminalreporter.getreports("passed")
    figures = [report.capstdout for report in passed if report.nodeid.startswith("tests/hostile")]
    for line in "".join(figures).splitlines():
        terminalreporter.write_line(line)
