"""Every option that a command of `tools` or of the core reads is one that it defines.

Read from the syntax trees: a namespace has any attribute for a type checker.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.rules import ROOT

COMMANDS = sorted(
    path.relative_to(ROOT)
    for folder in ("tools", "sora_core", "tests/hostile")
    for path in (ROOT / folder).rglob("*.py")
    if "Namespace" in (text := path.read_text("utf-8")) or "parse_args" in text
)

MORE_OPTIONS = {
    "sora_core/cli/train_own.py": "sora_core/cli/train_plan.py",
    "sora_core/measure/steps.py": "sora_core/cli/measure.py",
    "sora_core/measure/world/command.py": "sora_core/cli/measure.py",
}
"""The other file that defines options of a command."""

DEFINED = """
def parse():
    parser.add_argument("clips", nargs="+")
    parser.add_argument("-n", "--dry-run", action="store_true")
    parser.add_argument("--way", dest="variant")
    return parser.parse_args()
"""

ORIGINS = {
    "parsed here": "def main():\n    options = parser.parse_args()\n",
    "parsed by a function": "def main():\n    options = parse()\n",
    "an argument": "def main(options: argparse.Namespace):\n",
    "an argument of a bare type": "def main(options: Namespace):\n",
}
"""Where a function has its options from."""


def undefined(source: str) -> Iterator[str]:
    """Options that a function reads, and that the file does not define.

    Texts over which a loop goes count as defined.
    """
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    known = {name for call in nodes if isinstance(call, ast.Call) for name in defined(call)}
    looped = [ast.walk(loop.iter) for loop in nodes if isinstance(loop, ast.For)]
    known |= {one.value for loop in looped for one in loop if isinstance(one, ast.Constant)}
    for scope in (node for node in nodes if isinstance(node, ast.FunctionDef)):
        parsed = {name for node in ast.walk(scope) for name in parsed_into(node)}
        read = [node for node in ast.walk(scope) if isinstance(node, ast.Attribute)]
        of_parsed = [one for one in read if isinstance(one.value, ast.Name)]
        yield from (
            one.attr for one in of_parsed if one.value.id in parsed and one.attr not in known
        )


def parsed_into(node: ast.AST) -> list[str]:
    """The names of options: what holds the result of `parse_args` or `parse`, or a `Namespace`."""
    if isinstance(node, ast.arg):
        kind = node.annotation
        typed = getattr(kind, "attr", "") == "Namespace" or getattr(kind, "id", "") == "Namespace"
        return [node.arg] if typed else []
    if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
        return []
    called = node.value.func
    if getattr(called, "attr", "") != "parse_args" and getattr(called, "id", "") != "parse":
        return []
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def defined(call: ast.Call) -> Iterator[str]:
    """The attributes that a call of argparse adds to the namespace."""
    kind = getattr(call.func, "attr", "")
    keywords = {one.arg: one.value for one in call.keywords if one.arg}
    if kind == "set_defaults":
        yield from keywords
    if kind not in ("add_argument", "add_subparsers"):
        return
    stated = keywords.get("dest")
    names = [one.value for one in call.args if isinstance(one, ast.Constant)]
    if isinstance(stated, ast.Constant):
        yield str(stated.value)
    elif names:
        long = next((name for name in names if name.startswith("--")), names[0])
        yield long.lstrip("-").replace("-", "_")


@pytest.mark.parametrize("path", COMMANDS, ids=str)
def test_a_command_reads_only_options_that_it_defines(path: Path):
    files = {path.as_posix(), MORE_OPTIONS.get(path.as_posix(), path.as_posix())}
    assert list(undefined("\n".join((ROOT / file).read_text("utf-8") for file in files))) == []


@pytest.mark.parametrize("begin", ORIGINS.values(), ids=ORIGINS)
def test_an_option_under_another_name_is_found(begin: str):
    right = DEFINED + begin + "    use(options.clips, options.dry_run, options.variant)"
    wrong = DEFINED + begin + "    use(options.clip, options.way)"
    assert list(undefined(right)) == []
    assert list(undefined(wrong)) == ["clip", "way"]
