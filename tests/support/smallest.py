"""The smallest graph with a given node: sources for its sockets, and an output node."""

import json
from typing import Any

from tests.support.tiny import NAME
from tools.client import Graph
from tools.host import ROOT

CONTRACT = json.loads((ROOT / "tests" / "contract.json").read_text("utf-8"))["nodes"]
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
SOUGHT = ("VIDEO,IMAGE", "VAE")  # connected where they are optional too
UNSOUGHT = ("audio_vae",)  # but for these: ours is none
CLIPS = {"folder": "input/sora_clips", "frames": 5, "parts": 1}

SET = {  # so that one side alone is never huge, and that little is trained
    "SoraEncodeVideo": {"width": 64, "height": 64},
    "SoraTrain": {"model": NAME, "steps": 1, "batch": 1},
}

SOURCES = {  # of each type: a node, its output, and what is set in it
    "MODEL": ("SoraLoadModel", 0, {"model": NAME}),
    "CLIP": ("SoraLoadModel", 1, {"model": NAME}),
    "VAE": ("SoraLoadModel", 2, {"model": NAME}),
    "SORA_CANVAS": ("SoraCanvas", 0, {}),
    "LATENT": ("SoraEncodeCanvas", 0, {}),
    "CONDITIONING": ("SoraEncodePrompt", 0, {"text": "a red ball rolls"}),
    "NOISE": ("SoraNoise", 0, {}),
    "GUIDER": ("SoraGuider", 0, {}),
    "SIGMAS": ("SoraSchedule", 0, {"steps": 1}),
    "IMAGE": ("LoadImage", 0, {"image": "sora_still.png"}),
    "VIDEO": ("LoadVideo", 0, {"file": "sora_cube.mp4"}),
    "SORA_DATASET": ("SoraDataset", 0, CLIPS),
    "SORA_WEIGHTS": ("SoraTrain", 1, SET["SoraTrain"]),
}


def inputs(kind: str, *types: str) -> list[str]:
    """The inputs of a node that accept one of `types`."""
    return [name for name, one in CONTRACT[kind]["inputs"].items() if one in types]


def sockets(kind: str, *types: str) -> list[str]:
    """Its connectable inputs; only those that accept one of `types`, if there are any."""
    found = CONTRACT[kind]["inputs"].items()
    return [
        name
        for name, one in found
        if one not in WIDGETS and (not types or set(types) & set(one.split(",")))
    ]


def required(kind: str) -> list[str]:
    """Its required sockets."""
    return [name for name in sockets(kind) if name not in CONTRACT[kind]["optional"]]


def smallest(kind: str) -> Graph:
    """A graph whose node 1 is a `kind`."""
    graph: Graph = {}
    result: dict[str, str] = {}

    def add(kind: str, arguments: dict[str, Any]) -> str:
        key = result[kind] = str(len(graph) + 1)
        graph[key] = {"class_type": kind, "inputs": dict(arguments)}
        for name, one in CONTRACT.get(kind, {"inputs": {}})["inputs"].items():
            if name in required(kind) or (one in SOUGHT and name not in UNSOUGHT):
                source, output, arguments = SOURCES[one.split(",")[0]]
                graph[key]["inputs"][name] = [result.get(source) or add(source, arguments), output]
        return key

    add(
        kind,
        next(
            (arguments for one, _, arguments in SOURCES.values() if one == kind), SET.get(kind, {})
        ),
    )
    add("PreviewAny", {"source": ["1", 0]})
    return graph
