"""A workflow in API form: read, checked, and its inputs found by a node's title or id."""

from collections.abc import Iterable
from pathlib import Path

from tools.batch.strict_json import parse_json
from tools.batch.text import describe, printable
from tools.graph import Graph

EXPORT = "open it in ComfyUI, choose Workflow > Export (API), and name the file that you get"
MAX_FILE_BYTES = 256 << 20
MAX_LISTED = 20


class PlanError(Exception):
    """A workflow, a table, an option or a manifest is wrong. The message names reason and fix."""


def read_file(path: Path) -> bytes:
    """The content of an ordinary file of at most 256 MB; PlanError otherwise."""
    name = printable(path.name)
    try:
        if not path.is_file():
            reason = "it is no ordinary file" if path.exists() else "there is no such file"
            raise PlanError(f"cannot read {name}: {reason}")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PlanError(f"{name} has more than {MAX_FILE_BYTES >> 20} MB: split it")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PlanError(f"cannot read {name}: {reason}") from error


def read_workflow(path: Path) -> Graph:
    """The graph in `path`; PlanError unless it is in API form."""
    name = printable(path.name)
    try:
        graph = parse_json(read_file(path).decode("utf-8-sig"))
    except ValueError as error:
        raise PlanError(f"{name} is not JSON: {error}") from error
    if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
        raise PlanError(f"{name} is in UI form, which cannot be queued: {EXPORT}")
    if not isinstance(graph, dict) or not graph or not all(map(is_node, graph.values())):
        raise PlanError(f"{name} is not a workflow in API form: {EXPORT}")
    return graph


def is_node(value: object) -> bool:
    """Whether `value` is a node in API form: a class and inputs; `_meta` is optional."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("class_type"), str)
        and isinstance(value.get("inputs"), dict)
        and isinstance(value.get("_meta", {}), dict)
    )


def title(graph: Graph, key: str) -> str:
    """The name of the node on the page, fit for a message."""
    return printable(raw_title(graph, key), 80)


def raw_title(graph: Graph, key: str) -> str:
    node = graph[key]
    return str(node.get("_meta", {}).get("title") or node["class_type"])


def find_input(graph: Graph, name: str) -> tuple[str, str]:
    """Node and input of `name`, which is `TITLE.INPUT` or `ID.INPUT`; an id counts first."""
    splits = [(name[:at], name[at + 1 :]) for at, letter in enumerate(name) if letter == "."]
    if not splits:
        raise PlanError(f"{describe(name)} names no input: write TITLE.INPUT or ID.INPUT")
    called = [(key, part) for node, part in splits for key in nodes_called(graph, node)]
    if not called:
        nodes = listed(f"{title(graph, key)} ({printable(key, 20)})" for key in graph)
        raise PlanError(f"{describe(name)} names no node of the workflow; it has {nodes}")
    found = [(key, part) for key, part in called if part in graph[key]["inputs"]]
    if not found:
        key, part = called[0]
        inputs = listed(printable(part, 40) for part in widgets(graph, key)) or "none to set"
        raise PlanError(
            f"{title(graph, key)} ({key}) has no input {describe(part)}; it has {inputs}"
        )
    if len(found) > 1:
        ids = " or ".join(f"{key}.{part}" for key, part in found[:MAX_LISTED])
        raise PlanError(f"{describe(name)} could be several inputs: write {ids}")
    ((key, part),) = found
    if part not in widgets(graph, key):
        source = printable(str(graph[key]["inputs"][part][0]), 20)
        raise PlanError(f"{describe(name)} is linked from node {source}: set that")
    return key, part


def listed(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = [f"{len(names) - MAX_LISTED} more"] if len(names) > MAX_LISTED else []
    return ", ".join([*names[:MAX_LISTED], *more])


def nodes_called(graph: Graph, name: str) -> list[str]:
    if name in graph:
        return [name]
    return [key for key in graph if raw_title(graph, key).casefold() == name.casefold()]


def widgets(graph: Graph, key: str) -> list[str]:
    """The inputs that hold a value; the others are linked from another node."""
    return [part for part, value in graph[key]["inputs"].items() if not is_link(graph, value)]


def is_link(graph: Graph, value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and str(value[0]) in graph
