"""What saved workflows rely on: node ids, and each node's inputs, choices and outputs in order.

`python tools/contract.py record` records additions. A recorded entry may not change: a node that
must differ gets a new id, and the old one may be removed in a new version of the pack, once
nodes/node_replacements.py names its replacement.
"""

import argparse
import asyncio
import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a portable Python looks nowhere else

from tools.host import ROOT
from tools.pack import load_pack

CONTRACT = ROOT / "tests" / "contract.json"
COMMAND = "python tools/contract.py record"
CONTROL = "control_after_generate"  # the page saves its value after that of each seed

Nodes = dict[str, dict[str, Any]]
"""By id: `since`, `inputs` (id: type), `optional`, `choices` (id: values) and `outputs`."""


def pack_version() -> str:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r'^version = "([^"]+)"', text, re.MULTILINE)[0]


def number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def described(info: dict[str, Any], version: str) -> dict[str, Any]:
    """The contract's entry of a node, from ComfyUI's description for the page.

    The page lays widgets out, and saves their values, in this order: the required ones first.
    """
    parts = info["input"]
    optional = parts.get("optional", {})
    specs = parts.get("required", {}) | optional
    return {
        "since": version,
        "inputs": {name: kind_of(spec[0]) for name, spec in specs.items()},
        "optional": list(optional),
        "choices": {name: chosen for name, spec in specs.items() if (chosen := choices(spec))},
        "outputs": list(info["output"]),
    }


def kind_of(kind: str | list[str]) -> str:
    return kind if isinstance(kind, str) else "COMBO"


def choices(spec: list[Any]) -> list[str]:
    """The options of a combo, except file names, which differ between machines."""
    options = spec[1] if len(spec) > 1 else {}
    values = spec[0] if isinstance(spec[0], list) else options.get("options", [])
    return [] if any("." in str(value) for value in values) else list(values)


def broken(recorded: Nodes, now: Nodes, replaced: dict[str, str], version: str) -> list[str]:
    """A sentence for each change that breaks saved workflows."""
    found = []
    for node, old in recorded.items():
        if node in now:
            found += [f"{node} {change}" for change in changes(old, now[node])]
        elif replaced.get(node) not in now:
            found.append(f"{node} is gone, and no node that exists replaces it")
        elif number(version) <= number(old["since"]):
            found.append(f"{node} is gone, and the version is still {version}")
    return found


def astray(replacement: dict[str, Any], recorded: Nodes, now: Nodes) -> Iterator[str]:
    """A sentence for each part that a replacement loses, or that the old or new node lacks."""
    old, new = (recorded | now).get(replacement["old_node_id"]), now.get(replacement["new_node_id"])
    if old is None or new is None:
        yield f"{replacement['old_node_id']} or {replacement['new_node_id']} never was"
        return
    pairs = replacement.get("input_mapping") or ()
    taken = [pair["old_id"] for pair in pairs if "old_id" in pair]
    named = [*(replacement.get("old_widget_ids") or ()), *taken]
    yield from (f"{name} was no input" for name in named if name not in (*old["inputs"], CONTROL))
    yield from (f"{name} may be lacking" for name in taken if name in old["optional"])
    targets = [pair["new_id"] for pair in pairs]
    yield from (f"{name} is no input" for name in targets if name not in new["inputs"])
    needed = [name for name in new["inputs"] if name not in (*new["optional"], *targets)]
    yield from (f"{name} is left open" for name in needed)
    outputs = {pair["old_idx"]: pair["new_idx"] for pair in replacement.get("output_mapping") or ()}
    for index, kind in enumerate(old["outputs"]):
        if index not in outputs:
            yield f"output {index} is left open"
        elif kind != new["outputs"][outputs[index]]:
            yield f"output {index} is of another type"


def changes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """The predicate of a sentence about the node, for each change that breaks saved workflows."""
    first = dict(list(new["inputs"].items())[: len(old["inputs"])])
    if list(first) != list(old["inputs"]):
        yield f"has inputs {', '.join(first)} where {', '.join(old['inputs'])} were"
    for name, kind in old["inputs"].items():
        if not set(kind.split(",")) <= set(new["inputs"].get(name, kind).split(",")):
            yield f"takes {new['inputs'][name]} as {name}, which was {kind}"
    for name in new["inputs"]:
        if name not in new["optional"] and name not in set(old["inputs"]) - set(old["optional"]):
            yield f"requires {name}, which saved workflows lack: make it optional"
    for name, values in old["choices"].items():
        if lost := sorted(set(values) - set(new["choices"].get(name, []))):
            yield f"no longer offers {', '.join(lost)} as {name}"
    if new["outputs"][: len(old["outputs"])] != old["outputs"]:
        yield f"gives {', '.join(new['outputs'])} where {', '.join(old['outputs'])} were"


def unrecorded(recorded: Nodes, now: Nodes) -> list[str]:
    """The nodes with additions that the contract does not have yet."""
    return [node for node in now if same(recorded.get(node)) != same(now[node])]


def same(node: dict[str, Any] | None) -> str:
    """The entry of a node as one ordered text, for comparison."""
    return json.dumps({key: part for key, part in (node or {}).items() if key != "since"})


def merged(recorded: Nodes, now: Nodes) -> Nodes:
    """The contract with the additions; `since` of a node stays its first version."""
    since = {node: old["since"] for node, old in recorded.items()}
    current = {node: new | {"since": since.get(node, new["since"])} for node, new in now.items()}
    return dict(sorted((recorded | current).items()))


def nodes_of(pack: Any) -> Nodes:  # noqa: ANN401  a module
    """Every node that the loaded pack declares."""
    version = pack_version()
    return {info["name"]: described(info, version) for info in infos_of(pack)}


def infos_of(pack: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """ComfyUI's description for the page of each node of the loaded pack."""
    extension = asyncio.run(pack.comfy_entrypoint())
    return [node.GET_NODE_INFO_V1() for node in asyncio.run(extension.get_node_list())]


def replaced_by(pack: Any) -> dict[str, str]:  # noqa: ANN401
    """The replacement of each removed node, by id."""
    found = importlib.import_module(f"{pack.__name__}.nodes.node_replacements").REPLACED
    return {fields["old_node_id"]: fields["new_node_id"] for fields in found}


def main() -> int:
    """0 once additions are recorded; 1, and nothing written, if saved workflows break."""
    parser = argparse.ArgumentParser(prog="contract.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("record", help="write down what has been added")
    parser.parse_args()
    recorded = json.loads(CONTRACT.read_text("utf-8"))["nodes"] if CONTRACT.exists() else {}
    pack = load_pack()
    now = nodes_of(pack)
    if lines := broken(recorded, now, replaced_by(pack), pack_version()):
        print("\n".join([*lines, "nothing is recorded"]))
        return 1
    added = unrecorded(recorded, now)
    whole = {"nodes": merged(recorded, now)}
    CONTRACT.write_text(f"{json.dumps(whole, indent=1)}\n", encoding="utf-8")
    print(f"recorded {', '.join(added) or 'nothing new'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
