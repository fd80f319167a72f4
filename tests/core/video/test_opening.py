"""Every file that the shipped source opens with a codec library is opened within the limits."""

import ast
from pathlib import Path

import pytest

from tools.rules import ROOT, shipped

WITHIN = (
    "av.open(path, container_options={'format_whitelist': FORMATS, 'protocol_whitelist': 'file', "
    "'codec_whitelist': WHITELIST})"
)


def unguarded(tree: ast.AST) -> list[int]:
    """Lines that reach PyAV's `open` for reading in any way but with all whitelists."""
    lines = []
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "av":
            lines += [node.lineno for name in node.names if name.name == "open"]
        if isinstance(node, ast.Import):
            lines += [node.lineno for name in node.names if name.name == "av" and name.asname]
        if isinstance(node, ast.Attribute) and ast.unparse(node) in (
            "av.open",
            "av.container.open",
        ):
            call = calls.get(id(node))
            if call is None or not (writes(call) or guarded(call)):
                lines.append(node.lineno)
    return lines


def writes(call: ast.Call) -> bool:
    modes = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and mode.value == "w" for mode in modes)


def guarded(call: ast.Call) -> bool:
    options = [word.value for word in call.keywords if word.arg == "container_options"]
    names = {
        key.value
        for arguments in options
        if isinstance(arguments, ast.Dict)
        for key in arguments.keys
        if isinstance(key, ast.Constant)
    }
    return {"format_whitelist", "protocol_whitelist", "codec_whitelist"} <= names


def sources() -> list[Path]:
    return [ROOT / name for name in shipped() if str(name).endswith(".py")]


def test_every_file_is_opened_with_its_formats_listed():
    found = {path: unguarded(ast.parse(path.read_text("utf-8"))) for path in sources()}
    assert not {path: lines for path, lines in found.items() if lines}
    assert any("av.open" in path.read_text("utf-8") for path in found)


@pytest.mark.parametrize(
    "line",
    [
        "av.open(path)",
        "av.open(path, 'r')",
        "av.open(path, container_options={'format_whitelist': FORMATS})",
        WITHIN.replace(", 'codec_whitelist': WHITELIST", ""),
        WITHIN.replace("container_options", "options"),
        "read = av.open",
        "import av as codecs",
        "from av import open",
        "av.container.open(path)",
    ],
)
def test_each_other_way_would_be_found(line):
    assert unguarded(ast.parse(line)) == [1]


@pytest.mark.parametrize("line", [WITHIN, "av.open(path, 'w')", "av.open(path, mode='w')"])
def test_the_right_ways_are_not(line):
    assert not unguarded(ast.parse(line))
