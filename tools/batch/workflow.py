"""A workflow in API form: read, checked, and its inputs found by a node's title or id."""

import json
from pathlib import Path

from tools.graph import Graph

EXPORT = "open it in ComfyUI, choose Workflow > Export (API), and name the file that you get"


class PlanError(Exception):
    """A workflow or a list of jobs cannot be used. The message says why, and what to do."""


def read_workflow(path: Path) -> Graph:
    """The graph in `path`; PlanError unless it is in API form."""
    try:
        graph = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise PlanError(f"{path.name} is not JSON: {error}") from error
    if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
        raise PlanError(f"{path.name} is in UI form, which cannot be queued: {EXPORT}")
    if not isinstance(graph, dict) or not graph or not all(map(is_node, graph.values())):
        raise PlanError(f"{path.name} is not a workflow in API form: {EXPORT}")
    return graph


def is_node(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("class_type"), str)
        and isinstance(value.get("inputs"), dict)
    )


def title(graph: Graph, key: str) -> str:
    """What the node is called on the page."""
    node = graph[key]
    return str(node.get("_meta", {}).get("title") or node["class_type"])


def find_input(graph: Graph, name: str) -> tuple[str, str]:
    """Node and input of `name`, which is `TITLE.INPUT` or `ID.INPUT`; an id counts first."""
    splits = [(name[:at], name[at + 1 :]) for at, letter in enumerate(name) if letter == "."]
    if not splits:
        raise PlanError(f"{name!r} names no input: write TITLE.INPUT or ID.INPUT")
    called = [(key, part) for whose, part in splits for key in nodes_called(graph, whose)]
    if not called:
        known = ", ".join(f"{title(graph, key)} ({key})" for key in graph)
        raise PlanError(f"{name!r} names no node of the workflow; it has {known}")
    found = [(key, part) for key, part in called if part in graph[key]["inputs"]]
    if not found:
        key, part = called[0]
        has = ", ".join(widgets(graph, key)) or "none to set"
        raise PlanError(f"{title(graph, key)} ({key}) has no input {part!r}; it has {has}")
    if len(found) > 1:
        ids = " or ".join(f"{key}.{part}" for key, part in found)
        raise PlanError(f"{name!r} could be several inputs: say {ids}")
    ((key, part),) = found
    if part not in widgets(graph, key):
        raise PlanError(f"{name!r} is linked from node {graph[key]['inputs'][part][0]}: set that")
    return key, part


def nodes_called(graph: Graph, whose: str) -> list[str]:
    if whose in graph:
        return [whose]
    return [key for key in graph if title(graph, key).casefold() == whose.casefold()]


def widgets(graph: Graph, key: str) -> list[str]:
    """The inputs that hold a value; the others are linked from another node."""
    return [part for part, value in graph[key]["inputs"].items() if not is_link(graph, value)]


def is_link(graph: Graph, value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and str(value[0]) in graph
