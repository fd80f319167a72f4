"""Golden results: every edit's latent and frames as hashes, to show that a refactor changes no bit.

`python -m tools.golden record` before, `python -m tools.golden check` after, on the same machine
with the same torch. The record lies in `runs/golden.json`, outside Git: it holds for one machine.
"""

import argparse
import hashlib
import importlib
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from sora_core.canvas import edits
from sora_core.canvas.canvas import Box, Canvas, Placement
from sora_core.pipeline.decode import decode_frames
from sora_core.pipeline.generate import (
    SEGMENT_SETTINGS,
    Pipeline,
    encode_footage,
    generate,
    load,
)
from sora_core.prompts.storyboard import read_storyboard
from sora_core.seams.colour_fade import ColourFade, fade_colours
from sora_core.seams.easing import ease_guidance
from sora_core.seams.hand_over import hand_over
from sora_core.seams.morph import morph_to
from sora_core.seams.settings import JoinSettings
from sora_core.shapes import COMPRESSION
from tests.support.tiny import NAME, write_tiny
from tools.host import ROOT
from tools.pack import load_file, load_pack

RECORD = ROOT / "runs" / "golden.json"
STEPS = 3
SIDE, SECONDS = 32, 2.0  # pixels, and 5 latent frames at 8 fps
PROMPT = "a red ball rolls to the left on grass"
SHOTS = "0-1s: a red ball rolls to the left\n1-2s: a blue cube falls"
LONG_SHOTS = "0-3s: a red ball rolls to the left\n3-6s: a blue cube falls"

Results = Iterator[tuple[str, Tensor]]


def main() -> int:
    """0 once recorded, or if all results equal the record; 1 if any differs.

    A record of another machine is refused with 1.
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("command", choices=("record", "check"))
    parser.add_argument("--file", type=Path, default=RECORD)
    parser.add_argument("--seams", action="store_true", help="the mechanisms against seams alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    computed = seam_results() if options.seams else results()
    found = {"machine": machine()} | {name: sha256_of(x) for name, x in computed}
    if options.command == "record":
        options.file.parent.mkdir(parents=True, exist_ok=True)
        if options.seams and options.file.exists():
            found = json.loads(options.file.read_text()) | found
        options.file.write_text(json.dumps(found, indent=1))
        print(f"{len(found) - 1} results in {options.file}")
        return 0
    known = json.loads(options.file.read_text())
    if known["machine"] != found["machine"]:
        print(f"recorded on {known['machine']}, this is {found['machine']}: record again")
        return 1
    if options.seams:
        known = {name: known[name] for name in known if name in found or name.startswith("seams/")}
    names = known.keys() | found.keys()
    wrong = sorted(name for name in names if known.get(name) != found.get(name))
    for name in wrong:
        print(f"differs: {name}")
    print(f"{len(known.keys() - wrong) - 1} of {len(known) - 1} results are the same")
    return bool(wrong)


def machine() -> str:
    cpu = torch.backends.cpu.get_cpu_capability()
    return (
        f"{platform.machine()} {cpu} torch {torch.__version__} python {platform.python_version()}"
    )


def sha256_of(x: Tensor) -> str:
    """SHA-256 of the bytes of `x`, its shape and its dtype."""
    head = f"{tuple(x.shape)} {x.dtype} ".encode()
    data = x.detach().cpu().contiguous().flatten().view(torch.uint8)
    return hashlib.sha256(head + data.numpy().tobytes()).hexdigest()


def results() -> Results:
    """Name and value of each recorded result."""
    yield from seam_results()
    yield from core_results(load())
    with tempfile.TemporaryDirectory() as folder:
        pack, models = load_nodes(), load_tiny_models()
        folder_paths = importlib.import_module("folder_paths")
        folder_paths.output_directory = str(Path(folder) / "output")
        with torch.inference_mode():
            yield from node_results(pack, Path(folder))
            yield from host_model_results(pack, models, Path(folder))


def footage(seed: int, frames: int = 9, side: int = SIDE) -> Tensor:
    """Frames `t y x 3` of a square that moves over a gradient."""
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    ground = torch.stack([rows * 4, columns * 4, rows + columns + 20 * seed], dim=-1)
    clip = ground.expand(frames, -1, -1, -1).clone().clamp(0, 255).to(torch.uint8)
    for i, frame in enumerate(clip):
        frame[8 + seed : 18 + seed, 2 + 2 * i : 12 + 2 * i] = torch.tensor([200, 40, 30 * seed])
    return clip


def canvases() -> dict[str, Canvas]:
    """Every edit of the core, on clips in memory."""
    empty = Canvas(width=SIDE, height=SIDE, seconds=SECONDS, fps=8)
    first, second = (Placement(source=footage(i), fps=8) for i in (0, 1))
    hole = torch.zeros(1, SIDE, SIDE)
    hole[:, 8:24, 8:24] = 1
    shots = [(shot.start, shot.text) for shot in read_storyboard(SHOTS, SECONDS)]
    wide = replace(empty, width=2 * SIDE)
    return {
        "text to image": replace(empty, seconds=0.0),
        "text to video": empty,
        "image to video": edits.image_to_video(empty, footage(0, 1)),
        "key frames": edits.key_frames(empty, [(0.0, footage(0, 1)), (empty.last, footage(1, 1))]),
        "forward": edits.extend_forward(empty, first),
        "backward": edits.extend_backward(empty, first, 1.0),
        "both": edits.extend_both(empty, first, 1.0),
        "connect": edits.connect(empty, first, second, 0.625, 0.5),
        "morph": edits.morph(
            replace(empty, seconds=3.0),
            replace(first, source=footage(0, 24)),
            replace(second, source=footage(1, 24)),
            1.0,
        ),
        "loop": edits.loop(empty),
        "loop of footage": edits.loop(empty, replace(first, source=footage(0, 16)), 0.5),
        "inpaint": edits.inpaint(empty, replace(first, source=footage(0, 16)), hole),
        "outpaint": edits.outpaint(wide, first, Box(16, 0, SIDE, SIDE)),
        "video to video": edits.video_to_video(empty, replace(first, source=footage(0, 16)), 0.4),
        "slow footage": edits.extend_forward(empty, replace(first, speed=0.5, skip=0.25)),
        "storyboard": edits.place_storyboard(empty, shots),
        "long": edits.extend_forward(replace(empty, seconds=5.0), first),
        "long storyboard": edits.place_storyboard(replace(empty, seconds=5.0), shots),
        "long loop": edits.loop(replace(empty, seconds=5.0)),
    }


def seam_results() -> Results:
    """Each mechanism against seams alone, on noise."""
    generator = torch.Generator().manual_seed(0)
    video, clean, known = (
        torch.rand(1, channels, 9, SIDE, SIDE, generator=generator) * 2 - 1
        for channels in (3, 4, 4)
    )
    mask = torch.ones(1, 1, 9, SIDE, SIDE)
    mask[:, :, :2] = mask[:, :, -1:] = 0
    fades = [ColourFade(2, 6)]
    yield "seams/colour fade", torch.cat(list(fade_colours(video.split(4, dim=2), fades)), dim=2)
    yield "seams/morph", morph_to(video, video[:, :, :1].flip(-1), COMPRESSION.time)
    yield "seams/eased guidance", torch.as_tensor(ease_guidance(mask, 2))
    joins = JoinSettings(hand_over=0.7)
    corrected = hand_over(lambda x, sigma: clean, known, mask, joins)
    yield "seams/hand-over", corrected(clean, 0.5)


def core_results(pipeline: Pipeline) -> Results:
    """Name and tensor of each edit's latent, mask and frames; then windows, chains and samplers."""
    latents = {}
    for name, canvas in canvases().items():
        sampler = "sde" if name == "text to video" else "euler"
        encoded = encode_footage(pipeline, canvas)
        latent = generate(pipeline, PROMPT, encoded, 7, steps=STEPS, sampler=sampler)
        latents[name] = latent
        yield f"core/{name}/latent", latent
        yield f"core/{name}/mask", encoded.mask
        frames = torch.cat(list(decode_frames(pipeline, latent, encoded)))
        yield f"core/{name}/frames", frames
    empty = canvases()["text to video"]
    placed = empty.place(Placement(source=latents["forward"][:, :, :2], start=0.0))
    latent = generate(pipeline, PROMPT, placed, 8, steps=STEPS, guidance=6.0, footage_guidance=1.5)
    yield "core/placed latent/latent", latent
    long = canvases()["long"]
    yield "core/windows/latent", generate(pipeline, PROMPT, long, 7, steps=2, segments=None)
    loose = replace(SEGMENT_SETTINGS, firmness=0.8, anchor=0.3)
    yield "core/loose chain/latent", generate(pipeline, PROMPT, long, 7, steps=2, segments=loose)
    for sampler in ("heun", "dpmpp_2m"):
        latent = generate(pipeline, PROMPT, empty, 7, steps=2, sampler=sampler, negative="blue")
        yield f"core/{sampler}/latent", latent


def load_nodes() -> Callable[[str], Any]:
    """A function that returns a node class of the pack by its id."""
    load_pack()
    extension = importlib.import_module("sora_nodes.nodes").SoraExtension()
    listed = run_now(extension.get_node_list())
    classes = {node.define_schema().node_id: node for node in listed}
    return classes.__getitem__


def load_tiny_models() -> ModuleType:
    return load_file("tiny_models", ROOT / "tests" / "host" / "models" / "pack" / "__init__.py")


def run_now(coroutine: Any) -> Any:  # noqa: ANN401
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("it waits for something")


class Killed(BaseException):
    """Stops a job; nothing may catch it."""


def sampled(
    node: Callable[[str], Any],
    model: Any,  # noqa: ANN401
    words: list[Any],
    latent: dict[str, Any],
    *,
    window: float = 0.0,
    sampler: str = "euler",
    footage_scale: float = 1.0,
    calls: int | None = None,
) -> Any:  # noqa: ANN401
    """The result of Sora Sample for `latent`; None if it is killed after `calls` of the model."""
    guider = node("SoraGuider").execute(
        model, *words, 4.0, 0.0, 1.0, 0.0, latent, footage_scale, window, True
    )
    sigmas = node("SoraSchedule").execute(latent, STEPS, 0.0, 1.0).args[0]
    noise = node("SoraNoise").execute(5).args[0]
    ran = []

    def count(module: object, args: object) -> None:
        ran.append(args)
        if calls is not None and len(ran) > calls:
            raise Killed

    hook = model.model.diffusion_model.register_forward_pre_hook(count)
    try:
        return node("SoraSample").execute(noise, guider.args[0], sigmas, latent, sampler)
    except Killed:
        return None
    finally:
        hook.remove()


def node_results(node: Callable[[str], Any], folder: Path) -> Results:
    """Every edit node, on the tiny model of our own."""
    folder_paths = importlib.import_module("folder_paths")
    folder_paths.add_model_folder_path("diffusion_models", str(write_tiny(folder).parent))
    model, clip, vae = node("SoraLoadModel").execute(NAME).args
    words = [node("SoraEncodePrompt").execute(clip, text).args[0] for text in (PROMPT, "")]
    one, two = (footage(i, 16).float() / 255 for i in (0, 1))
    canvas = node("SoraCanvas").execute("custom", SIDE, SIDE, 2.0, 8.0).args[0]
    hole = torch.zeros(1, SIDE, SIDE)
    hole[:, :, 16:] = 1
    image = node("SoraPlaceImage").execute
    placed = {
        "text to video": canvas,
        "image": node("SoraImageToVideo").execute(one[:1], 2.0, "crop", two[:1]).args[0],
        "forward": node("SoraExtendVideo").execute(one, 1.0, "forward", 1.0, "crop").args[0],
        "backward": node("SoraExtendVideo").execute(one, 1.0, "backward", 1.0, "crop").args[0],
        "both": node("SoraExtendVideo").execute(one, 2.0, "both", 1.0, "crop").args[0],
        "connect": node("SoraConnectVideos").execute(one, two, 1.0, 0.5, "crop").args[0],
        "morph": node("SoraMorphVideos").execute(one, two, 1.0, 0.4, "crop").args[0],
        "loop": node("SoraLoopVideo").execute(2.0, 0.5, "crop", one).args[0],
        "edit": node("SoraEditVideo").execute(one, 0.4, 0.0, 0.0, "crop", hole).args[0],
        "outpaint": node("SoraOutpaintVideo").execute(one, 16, 0, 16, 0, "crop").args[0],
        "place image": image(canvas, one[:1], 0.5, "start", 0.5, 0.7, "pad", 0, 0, 0, 0).args[0],
    }
    latents = {}
    for name, edit in placed.items():
        latent = node("SoraEncodeCanvas").execute(edit, vae).args[0]
        yield f"nodes/{name}/known", latent["samples"]
        done = sampled(node, model, words, latent, footage_scale=1.5 if name == "image" else 1.0)
        latents[name] = done.args[0]
        yield f"nodes/{name}/latent", done.args[0]["samples"]
        frames = node("SoraDecodeFrames").execute(done.args[0], vae).args[0]
        yield f"nodes/{name}/frames", frames
    latent = latents["forward"]
    lies = node("SoraPlaceLatent").execute(canvas, latent, 0.0, 1.0).args[0]
    again = node("SoraEncodeCanvas").execute(lies, vae).args[0]
    yield "nodes/place latent/latent", sampled(node, model, words, again).args[0]["samples"]
    board = node("SoraStoryboard").execute(canvas, clip, SHOTS, "sora-mini", "off", 0)
    positive = board.args[1]
    latent = node("SoraEncodeCanvas").execute(board.args[0], vae).args[0]
    done = sampled(node, model, [positive, words[1]], latent)
    yield "nodes/storyboard/latent", done.args[0]["samples"]
    long = replace(canvas, seconds=6.0)
    latent = node("SoraEncodeCanvas").execute(long, vae).args[0]
    for name in ("long", "long storyboard"):
        words_of = words
        if name == "long storyboard":
            board = node("SoraStoryboard").execute(long, clip, LONG_SHOTS, "sora-mini", "off", 0)
            latent = node("SoraEncodeCanvas").execute(board.args[0], vae).args[0]
            words_of = [board.args[1], words[1]]
        whole = sampled(node, model, words_of, latent, sampler="dpmpp_2m").args[0]["samples"]
        yield f"nodes/{name}/latent", whole
        node("SoraJobs").execute("all")
        assert sampled(node, model, words_of, latent, sampler="dpmpp_2m", calls=5) is None
        resumed = sampled(node, model, words_of, latent, sampler="dpmpp_2m").args[0]["samples"]
        yield f"nodes/{name}/resumed", resumed
        node("SoraJobs").execute("all")


def host_model_results(node: Callable[[str], Any], models: ModuleType, folder: Path) -> Results:
    """Tiny models of the host's own kinds: one long extension and one loop of each."""
    sd = importlib.import_module("comfy.sd")
    models.write(folder)
    for name, width, channels, side, time in (
        ("wan21_t2v", 4096, 16, 8, 4),
        ("wan21_i2v", 4096, 16, 8, 4),
        ("wan22_5b", 4096, 48, 16, 4),
        ("ltxv", 64, 128, 32, 8),
    ):
        model = sd.load_diffusion_model(str(folder / f"{name}_tiny.safetensors"))
        vae = models.TinyVAE(channels, time, side)
        words = [models.conditioning(width, 0, name == "ltxv", i) for i in (1, 2)]
        clip = footage(0, 16, max(SIDE, 2 * side)).float() / 255
        canvases = {
            "long": node("SoraExtendVideo").execute(clip, 2.0, "forward", 1.0, "crop").args[0],
            "loop": node("SoraLoopVideo").execute(2.0, 0.5, "crop", clip).args[0],
        }
        for kind, canvas in canvases.items():
            latent = node("SoraEncodeCanvas").execute(canvas, vae).args[0]
            done = sampled(node, model, words, latent, window=17 / 8)
            yield f"host/{name}/{kind}/latent", done.args[0]["samples"]
            frames = node("SoraDecodeFrames").execute(done.args[0], vae).args[0]
            yield f"host/{name}/{kind}/frames", frames


if __name__ == "__main__":
    sys.exit(main())
