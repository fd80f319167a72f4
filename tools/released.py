"""Stores the workflows of a released version, which must load and run in all later ones.

`python tools/released.py` copies those of the present version, once, when it is published.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a portable Python looks nowhere else

from tools.contract import choices, pack_version
from tools.graph import Graph
from tools.host import ROOT

RELEASED = ROOT / "tests" / "released"
WORKFLOWS = ROOT / "workflows"
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")

Infos = dict[str, dict[str, Any]]
"""What ComfyUI sends to its page about each node, by id."""


def keep(version: str, released: Path = RELEASED) -> Path:
    """The folder that holds the workflows of `version`; FileExistsError if it did before."""
    folder = released / version
    (folder / "api").mkdir(parents=True)
    for path in [*WORKFLOWS.glob("*.json"), *WORKFLOWS.glob("api/*.json")]:
        shutil.copy(path, folder / path.relative_to(WORKFLOWS))
    return folder


FROM_DISK = {("SoraDataset", "folder")}
"""Choices that each server finds on its own disk."""


def unqueued(graph: Graph, infos: Infos, replaced: dict[str, str]) -> Iterator[str]:
    """A sentence for each part of a graph in API form that the nodes no longer accept."""
    for key, node in graph.items():
        kind, arguments = node["class_type"], node["inputs"]
        if kind.startswith("Sora") and kind not in replaced:
            if kind not in infos:
                yield f"{kind} ({key}) is gone"
                continue
            required = infos[kind]["input"].get("required", {})
            known = required | infos[kind]["input"].get("optional", {})
            yield from (f"{kind} takes no {name}" for name in arguments if name not in known)
            yield from (f"{kind} wants {name}" for name in required if name not in arguments)
            for name in arguments.keys() & known.keys():
                offered = choices(known[name])
                if (
                    offered
                    and (kind, name) not in FROM_DISK
                    and not isinstance(arguments[name], list)
                    and arguments[name] not in offered
                ):
                    yield f"{kind} does not offer {arguments[name]} as {name}"


def unloaded(drawn: dict[str, Any], infos: Infos, replaced: dict[str, str]) -> Iterator[str]:
    """A sentence for each node of a workflow whose saved values would move to other widgets.

    The page saves a node's values without names, in the order of its widgets.
    """
    for node in drawn["nodes"]:
        kind = node["type"]
        if kind.startswith("Sora") and kind not in replaced:
            saved = [part["name"] for part in node.get("inputs", []) if "widget" in part]
            now = widgets(infos[kind]) if kind in infos else []
            if now[: len(saved)] != saved:
                yield f"{kind} has {', '.join(now)} where {', '.join(saved)} were"


def widgets(info: dict[str, Any]) -> list[str]:
    """The inputs of a node that are widgets, in order."""
    parts = info["input"]
    specs = parts.get("required", {}) | parts.get("optional", {})
    return [name for name, spec in specs.items() if isinstance(spec[0], list) or is_widget(spec)]


def is_widget(spec: list[Any]) -> bool:
    return spec[0] in WIDGETS and not (spec[1:] and spec[1].get("forceInput"))


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    print(f"stored in {keep(pack_version()).relative_to(ROOT)}")
