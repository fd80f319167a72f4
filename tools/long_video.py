"""A minute of sora-mini from a storyboard, through ComfyUI: its time, memory, seams and drift.

python -m tools.long_video --out runs/long_video

After a stop, the same command resumes.
"""

import argparse
import json
import re
import tempfile
import time
from pathlib import Path

import torch
from torch.nn.functional import avg_pool2d

from sora_core.measure.drift import ColourStats, Drift
from sora_core.measure.seams import SEAM_KINDS, Seams, steps
from sora_core.pipeline.generate import SEGMENT_SETTINGS
from sora_core.sampling.segments import segment_starts
from sora_core.shapes import COMPRESSION, Frames, sides
from sora_core.video.reader import read_frames
from sora_core.world.sheet import contact_sheet
from tools.client import Graph
from tools.host import CACHE, ROOT, Server, bring_host

WORKFLOW = ROOT / "workflows" / "api" / "storyboard.json"
SHOTS = (
    "a red ball rolls to the right on grass by day",
    "a red ball bounces on grass by day",
    "a blue cube slides to the left on sand by day",
    "a green ball rolls to the left on sand by day",
    "a red ball rolls to the right on grass by day",
)
"""The last shot has the prompt of the first: their difference is the drift."""

OBSERVED = 5  # latent frames of sora-mini's window
UPSCALE = 4  # of the file; figures are at the model's size
COLOUR, CONTRAST = 3.0, 0.08  # the most that the minute may drift, of 255 and as a share


def main() -> int:
    """0 if the drift of the whole video is below its limits, else 1.

    Writes the video and a contact sheet; prints time, memory, seams and drift.
    """
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    graph = asked(json.loads(WORKFLOW.read_text(encoding="utf-8")), options)
    host, output = bring_host(), options.out / "output"
    with (
        tempfile.TemporaryDirectory(dir=CACHE, prefix="long-") as base,
        Server(host, Path(base), output=output) as server,
    ):
        resting = memory(server, "VmRSS")
        began, displayed = time.monotonic(), Displayed()
        run = server.client.run(server.client.completed(graph), displayed, seconds=None)
        seconds, peak = time.monotonic() - began, memory(server, "VmHWM")
        (saved,) = run.files(kind="output")
        path = options.out / saved["filename"]
        path.write_bytes(server.client.view(saved))
    frames = generated(path)
    print(f"\n{len(frames)} frames of {frames.shape[2]}x{frames.shape[1]} in {seconds:.0f} s")
    print(f"peak memory of the server {peak / 1e9:.2f} GB, {resting / 1e9:.2f} GB before")
    for text in texts(run.outputs()):
        print(text)
    seam_table(frames)
    fine = drift_table(frames, len(SHOTS))
    halves = frames.split(-(-len(frames) // (2 * len(SHOTS))))
    captions = [f"{i * options.seconds / len(halves):.0f} s" for i in range(len(halves))]
    contact_sheet(halves, captions, options.out / "sheet.png", columns=12, scale=2)
    print(f"{path} and sheet.png beside it")
    return 0 if fine else 1


def parse() -> argparse.Namespace:
    """The options: `size` is (width, height) in pixels before upscaling."""
    parser = argparse.ArgumentParser(prog="python -m tools.long_video", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "long_video")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--fps", type=float, default=24.0)
    parser.add_argument("--size", type=sides, default=(64, 64), metavar="WIDTHxHEIGHT")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def asked(graph: Graph, options: argparse.Namespace) -> Graph:
    """The storyboard workflow with our shots at the requested length and size."""
    by_title = {node["_meta"]["title"]: node["inputs"] for node in graph.values()}
    width, height = options.size
    size = {"width": width, "height": height, "seconds": options.seconds, "fps": options.fps}
    by_title["Canvas"] |= size
    by_title["Storyboard"]["text"] = "\n".join(SHOTS)
    by_title["Noise"]["seed"] = options.seed
    by_title["Schedule"]["steps"] = options.steps
    by_title["Decode Video"] |= {"upscale": UPSCALE, "sound": False}
    seams = next(key for key, node in graph.items() if node["class_type"] == "SoraMeasureSeams")
    by_title["Save Video"]["video"] = by_title["Measure Seams"]["video"]
    return {key: node for key, node in graph.items() if key != seams}


class Displayed:
    """Prints the progress now and then."""

    def __init__(self) -> None:
        self.began, self.messages = time.monotonic(), 0.0

    def __call__(self, kind: str, data: dict[str, object]) -> None:
        now = time.monotonic()
        if kind == "progress" and now - self.messages > 20:
            self.messages = now
            print(f"{now - self.began:5.0f} s  {data['value']} of {data['max']}", flush=True)


def memory(server: Server, kind: str) -> int:
    """Bytes that the server holds, or held at most: VmRSS or VmHWM, as Linux counts them."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    found = re.search(rf"{kind}:\s+(\d+) kB", status)
    return 1024 * int(found[1]) if found else 0


def texts(outputs: dict[str, dict[str, object]]) -> list[str]:
    """The texts of the nodes."""
    return [text for displayed in outputs.values() for text in (displayed or {}).get("text", ())]


def generated(path: Path) -> Frames:
    """The frames of a file at the model's size, before upscaling."""
    parts = []
    for chunk in read_frames(path):
        planes = chunk.permute(0, 3, 1, 2).float()
        parts.append(avg_pool2d(planes, UPSCALE).round().to(torch.uint8).permute(0, 2, 3, 1))
    return torch.cat(parts)


def seam_table(frames: Frames) -> None:
    """Prints quantiles of the steps at joins of segments over the usual step, for each kind."""
    latent = COMPRESSION.latent_frames(len(frames))
    starts = [
        start + SEGMENT_SETTINGS.history
        for start in segment_starts(latent, OBSERVED, SEGMENT_SETTINGS.history)[1:]
    ]
    joins = tuple(COMPRESSION.pixel_frames(start) for start in starts)
    seams = Seams(steps([frames]), joins)
    print(f"\nseams: the step at {len(joins)} joins over the usual one")
    for kind in SEAM_KINDS:
        ratios = torch.tensor([seams.ratio(kind, join) for join in joins])
        low, middle, high = ratios.quantile(torch.tensor([0.0, 0.5, 0.95])).tolist()
        print(
            f"{kind:7}least {low:.2f}  median {middle:.2f}  95% {high:.2f}  most {ratios.max():.2f}"
        )


def drift_table(frames: Frames, shots: int) -> bool:
    """Prints the drift of each shot, and whether it is below the limits."""
    print("\ndrift: mean red, green and blue, and contrast, of each fifth of a shot")
    parts = [shot.chunk(5) for shot in frames.chunk(shots)]
    for number, pieces in enumerate(parts, 1):
        looks = [ColourStats.from_frames(piece) for piece in pieces]
        for look in looks:
            colours = " ".join(f"{value:6.1f}" for value in look.colour)
            print(f"shot {number}  {colours}  {look.contrast:5.1f}")
    fine = True
    # The first fifth of a shot still turns from the one before.
    within = [(f"shot {i}", shot[1], shot[-1]) for i, shot in enumerate(parts, 1)]
    whole = [torch.cat(shot[1:]) for shot in (parts[0], parts[-1])]
    for name, first, last in [*within, ("the minute", *whole)]:
        drift = Drift.from_segments([first, last])
        held = drift.colour <= COLOUR and abs(drift.contrast) <= CONTRAST
        fine = fine and (held or name != "the minute")
        print(f"{name}: colour {drift.colour:.2f} of 255, contrast {drift.contrast:+.1%}")
    return fine


if __name__ == "__main__":
    raise SystemExit(main())
