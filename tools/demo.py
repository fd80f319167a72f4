"""Makes a video from a prompt through ComfyUI's graph API; run.py starts it in ComfyUI's Python."""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a portable Python looks nowhere else

from sora_core.prompts.unknown import unknown_note
from sora_core.prompts.vocabulary import read_world
from tools.client import GraphError, Run
from tools.graph import Graph, completed
from tools.host import CACHE, ROOT, HostError, Server, bring_host

FEW_STEPS, STEPS, UNGUIDED = "4 steps", 4, 1.0  # what Sora Load Model's few_steps asks for
WORKFLOW = ROOT / "workflows" / "api" / "text_to_video.json"
OUTPUT = ROOT / "runs" / "demo"


def main() -> int:
    """0 after a video, 1 after an error that is printed, 130 after Ctrl-C or SIGTERM."""
    options = parse()
    for number in (signal.SIGINT, signal.SIGTERM):  # both unwind, and so end the server
        signal.signal(number, signal.default_int_handler)
    try:
        graph = chosen(json.loads(WORKFLOW.read_text(encoding="utf-8")), options)
        if note := unknown_note(options.prompt, read_world()):
            print(note)
        make(graph, options)
    except (HostError, GraphError) as error:
        print(f"\n{error}")
        return 1
    except KeyboardInterrupt:
        print("\nstopped")
        return 130
    return 0


def parse() -> argparse.Namespace:
    """The options that run.py passes on; `started` is in seconds since the epoch.

    None stands for the value in the workflow; `steps` None stands for four steps with the LoRA.
    """
    parser = argparse.ArgumentParser(prog="demo")
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--size", help="WIDTHxHEIGHT")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--comfyui", type=Path)
    parser.add_argument("--keep-server", action="store_true")
    parser.add_argument("--started", type=float, default=time.time(), help="when the clock began")
    return parser.parse_args()


def chosen(graph: Graph, options: argparse.Namespace) -> Graph:
    """The workflow with the user's choices in its widgets; other values stay as saved.

    Without a choice of steps, the LoRA for four steps is added, and guidance is off.
    """
    by_title = {node["_meta"]["title"]: node["inputs"] for node in graph.values()}
    by_title["Prompt"]["text"] = options.prompt
    if options.size:
        width, height = map(int, options.size.split("x"))
        by_title["Canvas"] |= {"aspect": "custom", "width": width, "height": height}
        by_title["Decode Video"]["upscale"] = 1
    if options.seconds is not None:
        by_title["Canvas"]["seconds"] = options.seconds
    if options.seed is not None:
        by_title["Noise"]["seed"] = options.seed
    if options.steps is None:
        by_title["Load Model"]["few_steps"] = FEW_STEPS
        by_title["Guider"]["scale"] = UNGUIDED
    by_title["Schedule"]["steps"] = STEPS if options.steps is None else options.steps
    return graph


def make(graph: Graph, options: argparse.Namespace) -> None:
    """Runs the graph on a new server and prints its files; `keep_server` then waits for Ctrl-C."""
    tree = options.comfyui or bring_host()
    CACHE.mkdir(exist_ok=True)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="demo-") as base:
        print_over("starting ComfyUI")
        Thread(target=import_module, args=("av",)).start()  # while the server starts
        with Server(tree, Path(base), output=OUTPUT) as server:
            print_over(f"starting ComfyUI {time.time() - options.started:4.0f} s", end="\n")
            known = server.client.nodes(*{node["class_type"] for node in graph.values()})
            require_nodes(server, graph, known)
            run = server.client.run(completed(graph, known), Progress(graph))
            report(run, graph, options.started)
            if options.keep_server:
                print(f"ComfyUI stays up at {server.client.url}; Ctrl-C ends it")
                server.process.wait()


def require_nodes(server: Server, graph: Graph, known: Collection[str]) -> None:
    """HostError if a node of `graph` is not among `known`; it quotes the server's log."""
    wanted = {node["class_type"] for node in graph.values()}
    if missing := sorted(wanted - set(known)):
        text = [line for line in server.last_lines(1000).splitlines() if "sora_nodes" in line]
        needs = f"{sys.executable} -m pip install -r {ROOT / 'requirements.txt'}"
        lines = [*text, f"ComfyUI lacks {', '.join(missing)}. Perhaps: {needs}"]
        raise HostError("\n".join(lines))


class Progress:
    """Prints the progress of each node on one line."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.began = time.time()
        self.line = ""

    def __call__(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "progress" and data["max"] > 1:
            title = self.graph[data["node"]]["_meta"]["title"]
            self.line = f"{title} {data['value']}/{data['max']} {time.time() - self.began:4.1f} s"
            print_over(self.line)
        elif kind in ("executing", "execution_success"):
            self.began = time.time()
            if self.line:
                print_over(self.line, end="\n")
            self.line = ""


def print_over(line: str, end: str = "") -> None:
    """Overwrites the current line of a terminal; elsewhere only finished lines appear."""
    if sys.stdout.isatty():
        print(f"\r\033[K{line}", end=end, flush=True)
    elif end:
        print(line, flush=True)


def how(graph: Graph, size: tuple[int, int]) -> str:
    """The size at which the model generated a video of `size`, and in how many steps."""
    by_title = {node["_meta"]["title"]: node["inputs"] for node in graph.values()}
    times, steps = by_title["Decode Video"]["upscale"], by_title["Schedule"]["steps"]
    enlarged = f"enlarged {times} times" if times > 1 else "not enlarged"
    return f"generated at {size[0] // times}x{size[1] // times} in {steps} steps, {enlarged}"


def report(run: Run, graph: Graph, started: float) -> None:
    """Prints path, length and size of each video, and the seconds of the run and in all."""
    import av  # here: the server starts before this is needed

    stamps = {kind: data["timestamp"] for kind, data in run.events if "timestamp" in data}
    result = (stamps["execution_success"] - stamps["execution_start"]) / 1000
    for file in run.files(kind="output"):
        path = OUTPUT / file["subfolder"] / file["filename"]
        with av.open(str(path)) as container:
            lasts = container.duration / av.time_base
            picture = container.streams.video[0]
            size = picture.width, picture.height
            print(f"{path}: {lasts:.1f} s of {size[0]}x{size[1]} video, {how(graph, size)}")
    print(f"made in {result:.1f} s, {time.time() - started:.1f} s with everything")


if __name__ == "__main__":
    sys.exit(main())
