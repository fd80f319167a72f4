"""Every node of the pack with foreign values at its inputs: a result, a sentence, or a raw error.

`python -m tests.hostile.sockets` puts each value of `foreign_values` at each input of each node;
`--count N` adds N calls with two or three at once. What a node makes of it then goes through
the nodes that use it, since a canvas fails where it is encoded, and a guider where it samples. Exit
code 1 where any call ends in an error that is no sentence, or passes NaN on.
"""

import argparse
import asyncio
import logging
import random
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if "sora_nodes" not in sys.modules:  # as a command: in a test, the tests' own set-up has loaded it
    import tests.nodes.conftest  # noqa: F401

import folder_paths
import torch
from comfy_api.latest import InputImpl, Types
from sora_nodes.nodes import SoraExtension
from sora_nodes.nodes.decode import SoraDecodeFrames
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.models.clip import load_clip
from sora_nodes.nodes.host.models.model import load_model
from sora_nodes.nodes.host.models.vae import load_vae
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample
from sora_nodes.sora_core.canvas.canvas import Canvas, Placement
from sora_nodes.sora_core.checkpoints.checkpoint import read_config
from sora_nodes.sora_core.errors import SoraError
from torch import Tensor

from tests.hostile.foreign_images import COUNT, SIDE, picture
from tests.hostile.foreign_values import foreign_values
from tests.support.tiny import NAME, write_tiny

LIMIT = 200  # characters of a sentence
SECONDS = 20  # for one call
RESULT, SENTENCE, RAW, PASSED_NAN = "result", "sentence", "raw error", "NaN passed on"

TENSOR_TYPES = ("IMAGE", "MASK", "SIGMAS")
UNFED = ("SoraDataset", "SoraEncodeDataset", "SoraTrain", "SoraSaveLora")
"""Nodes that need folders of clips or hours: here their other inputs are never valid."""

FILES = ("video", "footage", "frames", ".mp4", "open file", " px", "a latent of")
WORDS = {
    "from_sigma": ("interval",), "to_sigma": ("interval",), "seconds": ("frames", " s of "),
    "fps": ("frames", "frame rate"), "aspect": (" px",), "text": ("prompt", "shot", "storyboard"),
    "width": ("region", " px", "margins"), "height": ("region", " px", "margins"),
    "first": FILES, "second": FILES, "video": FILES,
    "left": ("margins", "placement", "region"), "top": ("margins", "placement", "region"),
    "right": ("margins",), "bottom": ("margins",), "image": ("picture",), "vae": ("VAE", "join"),
    "positive": ("conditioning",), "negative": ("conditioning",), "latent": (" px",),
    "audio": ("sound",), "joins": ("join",),
}  # fmt: skip
"""What an input is called in sentences, where that is not its name."""

ALONE = {
    "SoraExpandPrompt": ("clip",),
    "SoraCaptionVideo": ("clip",),
    "SoraOutpaintVideo": ("canvas",),
    "SoraEncodeCanvas": ("audio_vae",),
    "SoraDecodeVideo": ("audio_vae",),
}
"""Optional inputs that are connected only to be tried: a valid value leads the node elsewhere."""


def good_values(folder: Path) -> dict[str, Any]:
    """A valid value for each socket type, of a tiny random model written to `folder`."""
    path = write_tiny(folder)
    bundle = read_config(path)
    good: dict[str, Any] = {
        "IMAGE": picture(),
        "MASK": torch.ones(1, SIDE, SIDE),
        "AUDIO": {"waveform": torch.zeros(1, 1, 8000), "sample_rate": 8000},
        "MODEL": load_model(path, bundle),
        "CLIP": load_clip(path),
        "VAE": load_vae(path, bundle),
        "SIGMAS": torch.tensor([1.0, 0.5, 0.0]),
        "NOISE": SoraNoise.execute(1).args[0],
    }
    placed = Placement(source=picture(), fps=8.0)
    canvas = Canvas(width=SIDE, height=SIDE, seconds=9 / 8, fps=8.0).place(placed)
    tokens = good["CLIP"].tokenize("a red ball")
    good |= {
        "SORA_CANVAS": canvas,
        "LATENT": SoraEncodeCanvas.execute(canvas, good["VAE"]).args[0],
        "CONDITIONING": good["CLIP"].encode_from_tokens_scheduled(tokens),
        "VIDEO": InputImpl.VideoFromComponents(
            Types.VideoComponents(images=picture(), audio=None, frame_rate=8)
        ),
    }
    words = good["CONDITIONING"]
    good["GUIDER"] = SoraGuider.execute(
        good["MODEL"], words, words, 2.0, 0.0, 1.0, 0.0, good["LATENT"]
    ).args[0]
    return good


def good_inputs(schema: Any, good: Mapping[str, Any]) -> dict[str, Any]:
    """Valid values for all inputs of a node, optional sockets included."""
    inputs = {}
    for each in schema.inputs:
        if each.id in ALONE.get(schema.node_id, ()):
            continue
        kinds = each.get_io_type().split(",")
        default = getattr(each, "default", None)
        inputs[each.id] = default if default is not None else good.get(kinds[0], "a red ball")
    if schema.node_id == "SoraLoadModel":
        inputs["model"] = NAME
    if schema.node_id == "SoraStoryboard":
        inputs["text"] = "a red ball\nit bounces"
    short = {"seconds": COUNT / 8 / 2, "steps": 2, "skip": 0.0}
    return inputs | {name: value for name, value in short.items() if name in inputs}


def use(kind: str, value: Any, good: Mapping[str, Any]) -> None:
    """Runs the nodes that use a result; ArithmeticError where it holds NaN or infinity."""
    words = good["CONDITIONING"]
    sample = {key: good[key.upper()] for key in ("noise", "guider", "sigmas", "latent")}
    match kind:
        case "SORA_CANVAS":
            use("LATENT", SoraEncodeCanvas.execute(value, good["VAE"]).args[0], good)
        case "LATENT":
            check_finite(value["samples"])
            if isinstance(value.get("noise_mask"), Tensor):
                check_finite(value["noise_mask"])
            if value["samples"].shape[1] == good["VAE"].latent_channels:
                use("IMAGE", SoraDecodeFrames.execute(value, good["VAE"]).args[0], good)
        case "NOISE" | "GUIDER" | "SIGMAS":
            sample[kind.lower()] = value
            check_finite(SoraSample.execute(**sample, sampler="euler").args[0]["samples"])
        case "CONDITIONING":
            guider = SoraGuider.execute(
                good["MODEL"], value, words, 2.0, 0.0, 1.0, 0.0, good["LATENT"]
            )
            use("GUIDER", guider.args[0], good)
        case "IMAGE":
            check_finite(value)
        case "VIDEO":
            use("IMAGE", value.get_components().images, good)


def check_finite(tensor: Tensor) -> None:
    if not bool(tensor.isfinite().all()):
        raise ArithmeticError(PASSED_NAN)


class Trial:
    """All nodes, valid inputs for each, and what became of the calls."""

    def __init__(self, folder: Path) -> None:
        models = folder / "models"
        folder_paths.add_model_folder_path("diffusion_models", str(models))
        folder_paths.set_output_directory(str(folder / "output"))
        folder_paths.set_temp_directory(str(folder / "temp"))
        (folder / "temp").mkdir()
        self.good = good_values(models)
        self.values = foreign_values(self.good, folder)
        self.nodes = asyncio.run(SoraExtension().get_node_list())
        self.schemas = {node: node.define_schema() for node in self.nodes}
        self.outcomes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.verbose = False

    def failing(self) -> list[str]:
        """The nodes that fail with valid inputs alone, for whom no other call would mean much."""
        able = [node for node in self.nodes if self.schemas[node].node_id not in UNFED]
        return [self.schemas[node].node_id for node in able if self.call(node, {}) != RESULT]

    def places(self) -> Iterator[tuple[Any, str]]:
        """Each input of each node."""
        for node, schema in self.schemas.items():
            for each in schema.inputs:
                yield node, each.id

    def call(self, node: Any, foreign: Mapping[str, str]) -> str:
        """What becomes of a call of `node` with the named values at some inputs."""
        schema = self.schemas[node]
        inputs = good_inputs(schema, self.good)
        inputs |= {name: self.values[value]() for name, value in foreign.items()}
        fed = schema.node_id not in UNFED
        names = list(foreign) if fed else [each.id for each in schema.inputs]
        outcome, detail = self.run(node, schema, inputs, names)
        if self.verbose:
            print(schema.node_id, foreign, outcome, detail)
        self.outcomes[outcome] += 1
        if outcome not in (RESULT, SENTENCE):
            self.faults[f"{outcome}: {schema.node_id} {dict(foreign)}: {detail}"] += 1
        return outcome

    def run(
        self, node: Any, schema: Any, inputs: dict[str, Any], names: list[str]
    ) -> tuple[str, str]:
        """The outcome of one call and of what uses its results, and a line about it."""
        try:
            with torch.inference_mode(), time_limit():
                result = node.execute(**inputs)
                for output, value in zip(schema.outputs, result.args, strict=True):
                    for kind in output.get_io_type().split(","):
                        if isinstance(value, Tensor) == (kind in TENSOR_TYPES):
                            use(kind, value, self.good)
        except SoraError as error:
            return judged(str(error), names)
        except ArithmeticError as error:
            if str(error) == PASSED_NAN:
                return PASSED_NAN, ""
            return RAW, where(error)
        except BaseException as error:
            return RAW, where(error)
        return RESULT, ""

    def everywhere(self, share: float = 1.0, seed: int = 0) -> None:
        """Calls each node with each value at each input, or with a random `share` of them."""
        rng = random.Random(seed)
        for node, name in self.places():
            for value in self.values:
                if rng.random() < share:
                    self.call(node, {name: value})

    def together(self, count: int, seed: int = 1) -> None:
        """`count` calls with two or three foreign values at once."""
        rng = random.Random(seed)
        for _ in range(count):
            node = rng.choice(self.nodes)
            ids = [each.id for each in self.schemas[node].inputs]
            chosen = rng.sample(ids, min(len(ids), rng.choice((2, 2, 3))))
            self.call(node, {name: rng.choice(list(self.values)) for name in chosen})

    def report(self) -> str:
        """The counts, in a line."""
        counts = ", ".join(f"{self.outcomes[kind]} {kind}" for kind in (RESULT, SENTENCE, RAW))
        inputs = sum(len(schema.inputs) for schema in self.schemas.values())
        return (
            f"sockets {sum(self.outcomes.values())} calls: {counts}, {self.outcomes[PASSED_NAN]} "
            f"{PASSED_NAN} ({len(self.nodes)} nodes, {inputs} inputs, {len(self.values)} values)"
        )


def judged(message: str, names: list[str]) -> tuple[str, str]:
    """Whether `message` is a sentence that names one of the inputs in `names`."""
    words = {word for name in names for word in (name, *WORDS.get(name, ()))}
    short = len(message) <= LIMIT and "\n" not in message and ": " in message
    if short and any(word in message for word in words):
        return SENTENCE, ""
    return RAW, f"no sentence: {message[:300]!r}"


def where(error: BaseException) -> str:
    """The kind of `error`, its line in the pack, and its text."""
    lines = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "/tests/" not in frame.filename
    ]
    return f"{type(error).__name__} at {' '.join(lines[-3:])}: {str(error)[:100]!r}"


@contextmanager
def time_limit() -> Iterator[None]:
    """TimeoutError where the body takes over `SECONDS`; no limit on Windows, which has no alarm."""
    if sys.platform == "win32":
        yield
        return
    signal.signal(signal.SIGALRM, out_of_time)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def out_of_time(*_: object) -> None:
    raise TimeoutError(f"longer than {SECONDS} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=1500, help="calls with 2 or 3 values at once")
    parser.add_argument("--share", type=float, default=1.0, help="of the calls with one value")
    parser.add_argument("--faults", type=int, default=40, help="faults that are printed")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder))
        if failing := trial.failing():
            print(f"fail with valid inputs: {', '.join(failing)}")
            return 2
        trial.everywhere(asked.share)
        trial.together(asked.count)
    for fault, _ in trial.faults.most_common(asked.faults):
        print(fault)
    print(trial.report())
    return int(bool(trial.faults))


if __name__ == "__main__":
    raise SystemExit(main())
