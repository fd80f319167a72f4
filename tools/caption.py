"""Captions the clips of a folder with a language model that takes pictures, loaded by a ComfyUI.

`python -m sora_core caption FOLDER` asks Sora's own captioner instead. Both write the same
manifest, and continue it after a stop.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a portable Python looks nowhere else

from sora_core.cli.caption import CAPTION_MANIFEST, Entry, entry_of, recaption
from sora_core.errors import MediaError, SoraError
from sora_core.pipeline.caption import Caption
from tools.client import Client, FailedError, GraphError
from tools.graph import Graph, completed

Node = dict[str, Any]

UNKNOWN_CERTAINTY = 0.0  # a language model gives none
SILENCE = aiohttp.ClientTimeout(total=None, sock_read=60)  # a long clip takes as long as it takes
TOO_LARGE = 413


def main() -> int:
    """0 after a report, 1 after an error that is printed, 130 after Ctrl-C or SIGTERM."""
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    loader = node("CLIPLoader", clip_name=options.clip, type=options.type)
    try:
        caption_file = asking(Client(options.server.rstrip("/")), loader, options.seed)
        print(recaption(options.folder, options.manifest, caption_file))
    except (SoraError, GraphError, aiohttp.ClientError, TimeoutError) as error:
        print(error or "the server does not answer")
        return 1
    except KeyboardInterrupt:
        print("\nstopped: the same command continues")
        return 130
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options; `manifest` None stands for the default file in the folder."""
    parser = argparse.ArgumentParser(prog="caption.py", description=__doc__)
    parser.add_argument("folder", type=Path, help="its videos, and those in folders inside")
    parser.add_argument("--clip", required=True, help="the model's file, as Load CLIP lists it")
    parser.add_argument("--type", default="stable_diffusion", help="as Load CLIP takes it")
    parser.add_argument("--server", default="http://127.0.0.1:8188", help="ComfyUI's address")
    parser.add_argument(
        "--manifest",
        type=Path,
        help=f"JSON lines, gone on with; by default FOLDER/{CAPTION_MANIFEST}",
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed chooses other words")
    return parser.parse_args(arguments)


def asking(client: Client, loader: Node, seed: int) -> Callable[[Path], Entry]:
    """A function that uploads a clip and returns the caption of the model behind `loader`.

    A plain picture is asked about first: what fails there would fail for each clip, and raises
    GraphError. What fails for one clip alone raises MediaError.
    """
    known = client.nodes()
    if "SoraCaptionVideo" not in known:
        raise GraphError(f"the ComfyUI at {client.url} lacks Sora Nodes: install them there")

    def ask(footage: Node) -> Caption:
        run = client.run(completed(question(loader, footage, seed), known), seconds=None)
        displayed = run.outputs()
        return Caption(
            displayed["long"]["text"][0], displayed["short"]["text"][0], UNKNOWN_CERTAINTY
        )

    def caption_file(path: Path) -> Entry:
        name = f"{client.id}{path.suffix.lower()}"
        try:
            asyncio.run(upload(client.url, path, name))
            return entry_of(path, ask(node("LoadVideo", file=name)))
        except FailedError as error:
            raise MediaError(str(error)) from error
        except aiohttp.ClientResponseError as error:
            if error.status != TOO_LARGE:
                raise
            raise MediaError("too large: start ComfyUI with more --max-upload-size") from error

    ask(node("EmptyImage", width=64, height=64))
    return caption_file


async def upload(url: str, path: Path, name: str) -> None:
    """Puts the file at `path` among the server's inputs, in the place of what had its name."""
    with path.open("rb") as file:
        form = aiohttp.FormData({"overwrite": "true"})
        form.add_field("image", file, filename=name)
        async with (
            aiohttp.ClientSession(timeout=SILENCE, raise_for_status=True) as session,
            session.post(f"{url}/upload/image", data=form),
        ):
            pass


def question(loader: Node, footage: Node, seed: int) -> Graph:
    """The graph that asks the model for a full and a short description of the footage."""
    asked = {"video": ["footage", 0], "clip": ["clip", 0], "captioner": "language model"}
    return {
        "clip": loader,
        "footage": footage,
        "asked": node("SoraCaptionVideo", **asked, seed=seed),
        "long": node("PreviewAny", source=["asked", 0]),
        "short": node("PreviewAny", source=["asked", 1]),
    }


def node(kind: str, **inputs: object) -> Node:
    return {"class_type": kind, "inputs": inputs}


if __name__ == "__main__":
    sys.exit(main())
