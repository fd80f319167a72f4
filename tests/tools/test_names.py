"""Identifiers are the field's words: none is on the banned list, none is defined in two places."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.rules import ROOT, shipped

BANNED = frozenset(
    {
        *("told", "said", "says", "seen", "shown", "kept", "given", "handed", "met", "leaving"),
        *("telling", "sight", "way", "room", "painted", "made"),
        *(
            "paint",
            "painter",
            "inpainted",
            "wander",
            "wandering",
            "meeting",
            "unsaid",
            "firsts",
            "say",
        ),
        *("ways", "rooms", "sights", "tells", "tell", "tellings", "sees", "strangers"),
    }
)
"""Words that say nothing about what a thing is, as parts of a name."""

TWICE = frozenset({"add_arguments", "run", "rows"})
"""Names that several files define.

`add_arguments` and `run` are what each command hands to the command line. `rows` is the one entry
of each ruler in `sora_core/measure/world`, which the list of rulers calls.
"""

TOOLS = sorted(path.relative_to(ROOT) for path in (ROOT / "tools").rglob("*.py"))
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))
SCRIPTS = sorted(path.relative_to(ROOT) for path in (ROOT / "web").rglob("*.js"))
DECLARED = re.compile(r"\b(?:const|let|function|class)\s+\w+|\([^()]*\)\s*(?:=>|\{)")
"""Where a script gives names: declarations, and parameters."""

MISNAMED = {
    "a function": "def way(): pass",
    "a class of several words": "class WhatIsSeen: pass",
    "a constant": "FRAMES_KEPT = 2",
    "a parameter": "def f(*, told): pass",
    "a local": "def f():\n    said = 1",
    "a loop's name": "for painted in (): pass",
    "an attribute": "class A:\n    def f(self):\n        self.room = 1",
    "a field": "class A:\n    shown: int",
    "an alias": "from os import path as sight",
    "an error's name": "try:\n    pass\nexcept OSError as given:\n    pass",
    "a lambda's parameter": "f = lambda met: 0",
    "a plural": "ways = 1",
}


def words(name: str) -> set[str]:
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"))


def defined(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of everything that a file gives a name to."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.alias(asname=str()) | ast.ExceptHandler(name=str()):
                yield node.lineno, node.asname if isinstance(node, ast.alias) else node.name


def misnamed(source: str, stem: str = "") -> list[str]:
    """The banned names of a file; a test's own name is a sentence, and free."""
    found = [(1, stem), *defined(ast.parse(source))]
    named = [(line, name) for line, name in found if not name.startswith("test_")]
    return [f"{line}: {name}" for line, name in named if words(name) & BANNED]


def misnamed_in_script(source: str) -> list[str]:
    """The banned names that a script declares."""
    names = [name for found in DECLARED.findall(source) for name in re.findall(r"\w+", found)]
    return [name for name in names if words(name) & BANNED]


def top_level(source: str) -> Iterator[str]:
    """The public and private names that a module defines at its top, not those it imports."""
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Assign() | ast.AnnAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for part in (part for target in targets for part in ast.walk(target)):
                    if isinstance(part, ast.Name) and part.id != "__all__":
                        yield part.id


def repeated(sources: dict[str, str]) -> dict[str, list[str]]:
    """The names that several of `sources` define, and where."""
    places = defaultdict(list)
    for path, source in sources.items():
        for name in dict.fromkeys(top_level(source)):
            places[name].append(path)
    return {name: paths for name, paths in places.items() if len(paths) > 1}


@pytest.mark.parametrize("file", [*shipped(), *TOOLS, *TESTS], ids=str)
def test_no_name_is_on_the_banned_list(file: Path):
    assert misnamed((ROOT / file).read_text(encoding="utf-8"), file.stem) == []


@pytest.mark.parametrize("file", SCRIPTS, ids=str)
def test_no_name_of_a_script_is_on_the_banned_list(file: Path):
    assert misnamed_in_script((ROOT / file).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("source", ["const shown = 1", "function f(...given) {", "(said) => 1"])
def test_a_banned_name_of_a_script_is_found(source):
    assert misnamed_in_script(source)


@pytest.mark.parametrize("source", MISNAMED.values(), ids=MISNAMED)
def test_a_banned_name_is_found(source):
    assert misnamed(source)


def test_a_banned_file_name_is_found():
    assert misnamed("", "told")


def test_names_that_only_contain_the_letters_are_free():
    assert misnamed("away = metric = remade = hideaway = 1") == []


def test_no_top_level_name_is_defined_in_two_files():
    sources = {str(file): (ROOT / file).read_text(encoding="utf-8") for file in shipped()}
    assert repeated(sources).keys() - TWICE == set()


def test_a_name_in_two_files_is_found():
    assert repeated({"a": "x, y = 1, 2", "b": "def y(): pass"}) == {"y": ["a", "b"]}
    assert repeated({"a": "x = 1", "b": "from a import x"}) == {}
