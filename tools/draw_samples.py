"""Draws `docs/samples.webp`, the moving picture at the top of the README: six clips of `sora-mini`.

    python -m tools.draw_samples

All have one seed, and none is chosen among others. The bar below a clip is its time: orange where
footage is known, half as bright where only a part of the frame is, grey where all is generated.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from textwrap import wrap

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from sora_core import (
    Canvas,
    Pipeline,
    Placement,
    decode_frames,
    edits,
    encode_footage,
    generate,
    load,
)
from tools.host import ROOT

PICTURE = ROOT / "docs" / "samples.webp"
FOOTAGE = ROOT / "workflows" / "footage"
BALL, CUBE = FOOTAGE / "sora_ball.mp4", FOOTAGE / "sora_cube.mp4"
FPS, SIDE, SECONDS, SEED = 8, 64, 2, 0
HOLE = torch.zeros(1, SIDE, SIDE)
HOLE[:, 20:52] = 1  # where the cube slides

CELL = 3 * SIDE  # pixels of a clip in the picture
GAP, BAR, TEXT, ACROSS, LINE = 16, 6, 52, 3, 30
BACK, INK, FAINT = "#18181c", "#f2efe9", "#a9a5a0"
KNOWN, PARTLY, GENERATED = "#e08f5a", "#7f5a43", "#46443f"
QUALITY = 82


@dataclass(frozen=True, slots=True)
class Sample:
    """A clip: the edit that places footage on the empty canvas, and the prompt for the rest."""

    title: str
    prompt: str
    edit: Callable[[Canvas], Canvas] = lambda canvas: canvas


SAMPLES = (
    Sample("Text to video", "a red ball rolls to the left on grass"),
    Sample(
        "Image to video",
        "a striped blue cone slides to the right on wood by day",
        lambda canvas: edits.image_to_video(canvas, FOOTAGE / "sora_still.png"),
    ),
    Sample(
        "Extend",
        "a green ball rolls to the left on sand at night",
        lambda canvas: edits.extend_forward(canvas, Placement(source=BALL, seconds=1.1)),
    ),
    Sample(
        "Connect",
        "a purple cube slides to the right on grass at sunset",
        lambda canvas: edits.connect(canvas, BALL, CUBE, 0.6, 0.6),
    ),
    Sample("Loop", "a yellow ball bounces up and down on grey pavement by day", edits.loop),
    Sample(
        "Inpaint",
        "a yellow ball rolls to the right on grass at sunset",
        lambda canvas: edits.inpaint(canvas, CUBE, HOLE),
    ),
)


def main() -> None:
    """Writes PICTURE, which repeats for ever at FPS, and prints its kilobytes."""
    model = load()
    first, *rest = map(sheet, zip(*(pictures(model, sample) for sample in SAMPLES), strict=True))
    first.save(
        PICTURE, save_all=True, append_images=rest, duration=1000 // FPS, loop=0, quality=QUALITY
    )
    print(PICTURE.relative_to(ROOT), f"{PICTURE.stat().st_size / 1024:.0f} KB")


def pictures(model: Pipeline, sample: Sample) -> list[Image.Image]:
    """The frames of `sample`, each above the bar of its time and its text."""
    canvas = sample.edit(Canvas(width=SIDE, height=SIDE, seconds=SECONDS, fps=FPS))
    encoded = encode_footage(model, canvas)
    latent = generate(model, sample.prompt, encoded, seed=SEED)
    clip = list(chain.from_iterable(decode_frames(model, latent, encoded)))
    opened = encoded.mask[0, 0].mean(dim=(1, 2)).tolist()
    at = [canvas.latent_frame(i, encoded.compression) for i in range(len(clip))]
    bar = [bar_colour(opened[j]) for j in at]
    return [picture(sample, clip[i].numpy(), bar, i) for i in range(len(clip))]


def bar_colour(opened: float) -> str:
    """The colour for a frame of which the share `opened` is generated."""
    return KNOWN if opened == 0 else GENERATED if opened == 1 else PARTLY


def picture(sample: Sample, frame: np.ndarray, bar: Sequence[str], current: int) -> Image.Image:
    """The frame above its time bar, the title and the prompt; part `current` of `bar` is lit."""
    whole = Image.new("RGB", (CELL, CELL + BAR + TEXT), BACK)
    whole.paste(Image.fromarray(frame).resize((CELL, CELL), Image.Resampling.LANCZOS))
    draw = ImageDraw.Draw(whole)
    for i, colour in enumerate(bar):
        left, right = (CELL * edge // len(bar) for edge in (i, i + 1))
        top = CELL + 3
        draw.rectangle((left, top, right - 2, top + BAR), INK if i == current else colour)
    draw.text((0, CELL + BAR + 6), sample.title, INK, ImageFont.load_default(14))
    text = "\n".join(wrap(sample.prompt, LINE))
    draw.text((0, CELL + BAR + 23), text, FAINT, ImageFont.load_default(12), spacing=2)
    return whole


def sheet(cells: Sequence[Image.Image]) -> Image.Image:
    """All `cells` of one moment in rows."""
    width, height = (side + GAP for side in cells[0].size)
    rows = -(-len(cells) // ACROSS)
    whole = Image.new("RGB", (ACROSS * width + GAP, rows * height + GAP), BACK)
    for i, one in enumerate(cells):
        whole.paste(one, (GAP + i % ACROSS * width, GAP + i // ACROSS * height))
    return whole


if __name__ == "__main__":
    main()
