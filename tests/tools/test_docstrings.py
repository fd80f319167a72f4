"""Public functions of more than six lines have a docstring, read from the syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.rules import ROOT, shipped

LINES = 6
SCHEMA = frozenset({"define_schema", "execute"})
"""Methods of nodes: their schema has a description, and a tooltip for every input."""

TOOLS = sorted(path.relative_to(ROOT) for path in (ROOT / "tools").rglob("*.py"))

LONG = "def public():\n" + "    work()\n" * LINES
DOCUMENTED = LONG.replace("():\n", '():\n    """What it returns."""\n')


def undocumented(source: str) -> Iterator[str]:
    """Line and name of public functions and methods without a docstring.

    Functions inside functions are local: the docstring around them covers them.
    """
    pending: list[ast.AST] = [ast.parse(source)]
    while pending:
        for node in ast.iter_child_nodes(pending.pop()):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                pending.append(node)
                continue
            assert node.end_lineno is not None
            is_long = node.end_lineno - node.lineno + 1 > LINES
            if is_long and not node.name.startswith("_") and ast.get_docstring(node) is None:
                yield f"{node.lineno}: {node.name}"


def of_file(path: Path) -> list[str]:
    found = undocumented((ROOT / path).read_text(encoding="utf-8"))
    return [line for line in found if line.partition(": ")[2] not in SCHEMA]


@pytest.mark.parametrize(("files", "least"), [(shipped(), 100), (TOOLS, 80)], ids=["pack", "tools"])
def test_long_public_functions_have_a_docstring(files: list[Path], least: int):
    assert len(files) > least
    assert {str(file): lines for file in files if (lines := of_file(file))} == {}


def test_a_missing_docstring_is_found_wherever_the_function_stands():
    method = "class A:\n" + "".join(f"    {line}\n" for line in LONG.splitlines())
    under_if = method.replace("class A:", "if True:")
    for source in (LONG, f"async {LONG}", method, under_if):
        assert [line.partition(": ")[2] for line in undocumented(source)] == ["public"]


def test_short_private_local_and_documented_functions_pass():
    short = "def public():\n" + "    work()\n" * (LINES - 1)
    local = DOCUMENTED + "".join(f"    {line}\n" for line in LONG.splitlines())
    for source in (short, LONG.replace("public", "_private"), DOCUMENTED, local):
        assert list(undocumented(source)) == []
