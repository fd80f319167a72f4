"""The lock file of development satisfies every list, on each Python and system, with hashes."""

import re

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools.lock import LISTS, LOCK
from tools.rules import ROOT

ENVIRONMENTS = [
    {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "win32": "Windows", "darwin": "Darwin"}[system],
        "os_name": "nt" if system == "win32" else "posix",
    }
    for python in ("3.10", "3.11", "3.12", "3.13")
    for system in ("linux", "win32", "darwin")
]


def entries(text: str) -> list[tuple[Requirement, int]]:
    """The requirements of a list or a lock, each with the number of its hashes."""
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    named = [line.split(" --hash=") for line in lines if line.strip() and line.strip()[0] != "#"]
    return [(Requirement(line.partition(" #")[0]), len(hashes)) for line, *hashes in named]


def wanted() -> list[Requirement]:
    return [one for path in LISTS for one, _ in entries((ROOT / path).read_text("utf-8"))]


def unmet(lock: str, requirements: list[Requirement], environment: dict[str, str]) -> list[str]:
    """The requirements for which the lock does not have one fitting version there."""
    there = default_environment() | environment
    pins: dict[str, list[Version]] = {}
    for pin, _ in entries(lock):
        if pin.marker is None or pin.marker.evaluate(there):
            (exact,) = pin.specifier
            pins.setdefault(canonicalize_name(pin.name), []).append(Version(exact.version))
    return [
        str(one)
        for one in requirements
        if [one.specifier.contains(v) for v in pins.get(canonicalize_name(one.name), [])] != [True]
    ]


@pytest.fixture(scope="module")
def lock():
    return (ROOT / LOCK).read_text(encoding="utf-8")


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: " ".join(list(e.values())[1:3]))
def test_the_lock_has_one_fitting_version_of_all_that_the_lists_name(lock, environment):
    assert unmet(lock, wanted(), environment) == []


def test_every_pin_has_hashes_and_one_version(lock):
    for pin, hashes in entries(lock):
        assert hashes and [one.operator for one in pin.specifier] == ["=="], pin


def test_torch_is_pinned_in_one_place(lock):
    """Its index depends on the machine: tools/run.py chooses it, and pins it."""
    assert not {pin.name for pin, _ in entries(lock)} & {"torch", "torchvision", "torchaudio"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "numpy==1.24.0 --hash=sha256:0",
        "numpy==2.0.0 ; sys_platform == 'win32'",
        "numpy==2.0.0\nnumpy==2.1.0",
    ],
)
def test_a_requirement_that_a_lock_does_not_satisfy_is_found(text):
    assert unmet(text, [Requirement("numpy>=1.25")], ENVIRONMENTS[0]) == ["numpy>=1.25"]
