"""Graphs in API form, and ComfyUI's answers to them."""

from typing import Any

Graph = dict[str, dict[str, Any]]
"""Node key -> class_type, inputs and _meta."""


def files_of(outputs: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
    """Every file of the output nodes, in order."""
    return [
        item
        for displayed in outputs.values()
        for items in (displayed or {}).values()
        if isinstance(items, list)
        for item in items
        if isinstance(item, dict) and "filename" in item
    ]


def completed(graph: Graph, known: dict[str, dict[str, Any]]) -> Graph:
    """`graph` with the default of each widget that a server with these nodes requires."""
    return {key: node | {"inputs": defaults(node, known)} for key, node in graph.items()}


def defaults(node: dict[str, Any], known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The inputs of `node`, and the default of each widget it lacks."""
    inputs = dict(node["inputs"])
    fill(inputs, known[node["class_type"]]["input"])
    return inputs


def fill(inputs: dict[str, Any], wanted: dict[str, dict[str, Any]], prefix: str = "") -> None:
    """Adds the default of each required widget; a choice may bring widgets of its own."""
    for name, spec in wanted.get("required", {}).items():
        name = prefix + name
        kind, options = spec[0], spec[1] if len(spec) > 1 else {}
        choices = kind if isinstance(kind, list) else options.get("options", ())
        brought = {one["key"]: one["inputs"] for one in choices if isinstance(one, dict)}
        if name not in inputs and ("default" in options or choices):
            inputs[name] = options.get("default", next(iter(brought or choices), None))
        for key, more in brought.items():
            if inputs.get(name) == key:  # it may be a link, which no dict can look up
                fill(inputs, more, f"{name}.")


def refusal(answer: dict[str, Any]) -> str:
    """One line for each input that ComfyUI did not accept."""
    lines = [
        f"{node['class_type']}: {error['message']}: {error['details']}"
        for node in (answer.get("node_errors") or {}).values()
        for error in node["errors"]
    ]
    return "\n".join(lines or [str(answer.get("error", answer))])
