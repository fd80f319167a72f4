"""Captions the clips of a folder with a language model that takes pictures, at an OpenAI-style URL.

    python -m tools.caption_endpoint FOLDER --model NAME [--url http://127.0.0.1:11434/v1]

Any local server with `POST /chat/completions` and images works, such as those of Ollama, llama.cpp,
vLLM and LM Studio. Writes the manifest of `python -m sora_core caption`, which `train plan` reads,
and continues it where it was stopped. The frames of the clips are sent to the address in `--url`.
"""

import argparse
import base64
import io
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib import error, request

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a portable Python looks nowhere else

from sora_core.canvas.canvas import Placement
from sora_core.cli.caption import CAPTION_MANIFEST, Entry, entry_of, recaption
from sora_core.errors import MediaError, SoraError
from sora_core.pipeline.caption import Caption, stills
from sora_core.prompts.rewrite import captions, question
from sora_core.shapes import Frames
from sora_core.video.probe import duration_of, probe

LOCAL = "http://127.0.0.1:11434/v1"
SECONDS = 600
MAX_ANSWER = 1_000_000  # bytes
UNKNOWN_CERTAINTY = 0.0  # a language model reports none

Ask = Callable[[Frames], str]
"""The answer of a model to the question about some frames; MediaError where there is none."""


class EndpointError(Exception):
    """The endpoint cannot be used at all; the message has the fix."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options; `manifest` None stands for the default file in the folder."""
    parser = argparse.ArgumentParser(prog="caption_endpoint.py", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of videos, subfolders included")
    parser.add_argument("--model", required=True, help="the model's name at the endpoint")
    parser.add_argument("--url", default=LOCAL, help=f"the endpoint; default {LOCAL}")
    parser.add_argument("--key-file", type=Path, help="file with the key, if the endpoint asks one")
    parser.add_argument("--manifest", type=Path, help=f"default FOLDER/{CAPTION_MANIFEST}")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """0 after a report, 1 after an error of the endpoint or of a file, 130 after Ctrl-C.

    Only the report goes to standard output.
    """
    options = parse(arguments)
    try:
        key = options.key_file.read_text().strip() if options.key_file else ""
        ask = partial(ask_endpoint, url=options.url, model=options.model, key=key)
        print(recaption(options.folder, options.manifest, partial(endpoint_entry, ask=ask)))
    except (SoraError, EndpointError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped: the same command continues", file=sys.stderr)
        return 130
    return 0


def endpoint_entry(path: Path, ask: Ask) -> Entry:
    """The manifest's entry of the video at `path`, by `ask`."""
    info, seconds = probe(path), float(duration_of(path))
    frames = stills(Placement(source=path), (info.width, info.height), seconds)
    return entry_of(path, Caption(*captions(ask(frames)), UNKNOWN_CERTAINTY))


def ask_endpoint(frames: Frames, *, url: str, model: str, key: str = "") -> str:
    """The model's answer to the captioning question about `frames`.

    EndpointError where the server is missing or refuses the request; MediaError where it fails for
    these frames alone.
    """
    images = [{"type": "image_url", "image_url": {"url": jpeg_url(frame)}} for frame in frames]
    content = [{"type": "text", "text": question()}, *images]
    body = {"model": model, "messages": [{"role": "user", "content": content}], "temperature": 0}
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    address = f"{url.rstrip('/')}/chat/completions"
    if not address.startswith(("http://", "https://")):
        raise EndpointError(f"{url[:80]!a} is no web address: begin with http://")
    sent = request.Request(address, json.dumps(body).encode(), headers)
    try:
        with request.urlopen(sent, timeout=SECONDS) as reply:
            answer = json.loads(reply.read(MAX_ANSWER))
        return str(answer["choices"][0]["message"]["content"])
    except error.HTTPError as problem:
        text = problem.read(300).decode(errors="replace").strip()
        message = f"the endpoint answers {problem.code}: {text}"
        if problem.code in (400, 413, 422, 500):
            raise MediaError(message[:200]) from problem
        raise EndpointError(f"{message[:200]}: check --url, --model and --key-file") from problem
    except (error.URLError, TimeoutError) as problem:
        raise EndpointError(f"no answer from {url} ({problem}): start the server") from problem
    except (ValueError, KeyError, IndexError, TypeError) as problem:
        raise MediaError("the endpoint's answer is not that of chat completions") from problem


def jpeg_url(frame: Frames) -> str:
    """`frame` [y x 3] as a data URL."""
    file = io.BytesIO()
    Image.fromarray(frame.numpy()).save(file, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    sys.exit(main())
