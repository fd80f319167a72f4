"""Held-out loss against compute, of three widths at three budgets, as the picture docs/scaling.png.

    python -m tools.scaling --minutes 1

The small learner of `tools.paper_options`: each width trains for 1, 4 and 16 times `--minutes` at
40 GFLOP/s, what one core here reaches. Weights, clips and noise have the same seed everywhere, and
the picture has the same prompt and the same noise at each. `--out` holds what is done; the same
command goes on where it stopped, and `--draw` only draws what it holds.
"""

import argparse
import json
import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from sora_core.files import replacing
from sora_core.shapes import Frames
from sora_core.training.own.validation import clip_rulers

from .paper_options import OPERATIONS_A_MINUTE, in_frame
from .small_learner.clips import PROMPTS, SQUARE, draw_clip
from .small_learner.model import LearnerConfig
from .small_learner.training import FLOW_ONLY, generated, held_out, square_clips, trained

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
WIDTHS, BUDGETS = (32, 64, 128), (1, 4, 16)
PROMPT, SEED, PICTURED = 3, 0, (1, 4, 6)  # a prompt, a seed and the frames of the picture
CLIP_RULERS = ("detail", "motion")  # of `clip_rulers`
TRUE_CLIPS = 24  # drawn clips of the prompt, whose rulers are the goal
SCALE, GAP, MARGIN, LINE, FONT_SIZE = 5, 10, 84, 19, 15  # pixels
PLOT_HEIGHT, PLOT_TOP, PLOT_BOTTOM, PLOT_RIGHT = 440, 44, 62, 24  # pixels
PAPER, INK, FAINT = (250, 250, 248), (30, 30, 34), (205, 205, 205)
DOTS = ((70, 110, 200), (40, 140, 90), (205, 95, 45))


def measured(width: int, operations: float) -> tuple[dict[str, float], Tensor]:
    """Held-out loss, share of clips with a whole subject, motion, and the clip of the picture."""
    config = LearnerConfig(width=width)
    model, steps = trained(config, FLOW_ONLY, square_clips(SQUARE), operations, SEED)
    clip = generated(model, [PROMPT], SQUARE, SEED)[0]
    values = {
        "steps": steps,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "operations": operations,
        "loss": held_out(model, SQUARE),
        "whole_subject": in_frame(model, SQUARE, SEED),
        "motion": float(clip.diff(dim=1).abs().mean()) * 127.5,
    }
    return values, clip


def fitted(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The exponent and the factor of the power law through `points` of compute and loss."""
    x, y = np.log(np.array(points)).T
    slope, start = np.polyfit(x, y, 1)
    return float(slope), math.exp(float(start))


def least(runs: Sequence[dict[str, float]]) -> list[tuple[float, float]]:
    """The least loss at each budget, with the operations."""
    spent = sorted({run["operations"] for run in runs})
    return [(one, min(r["loss"] for r in runs if r["operations"] == one)) for one in spent]


def frames_of(clip: Tensor) -> Frames:
    """A clip [3 t y x] in [-1, 1] as bytes [t y x 3]."""
    return ((clip + 1) * 127.5).round().byte().permute(1, 2, 3, 0)


def rulers_of(clips: Sequence[Tensor]) -> dict[str, float]:
    """The mean of each of CLIP_RULERS over `clips`, in levels of 255."""
    found = [clip_rulers(frames_of(clip)) for clip in clips]
    return {name: fmean(one[name] for one in found) for name in CLIP_RULERS}


def picture(runs: Sequence[dict[str, float]], clips: Sequence[Tensor]) -> Image.Image:
    """Clips of each width (rows) and budget (columns) above the curve of losses with its fit."""
    font = ImageFont.load_default(FONT_SIZE)
    cell_width = len(PICTURED) * SQUARE[1] * SCALE + GAP
    cell_height = SQUARE[0] * SCALE + 2 * LINE + GAP
    head = GAP + 2 * LINE + 4
    top = head + len(WIDTHS) * cell_height + GAP
    image = Image.new("RGB", (MARGIN + len(BUDGETS) * cell_width, top + PLOT_HEIGHT), PAPER)
    pen = ImageDraw.Draw(image)
    numbers = range(PROMPT, TRUE_CLIPS * len(PROMPTS), len(PROMPTS))
    true = rulers_of([draw_clip(number, SQUARE).video for number in numbers])
    frames = ", ".join(map(str, PICTURED))
    pen.text((GAP, GAP), f'"{PROMPTS[PROMPT]}", one seed; frames {frames} of 8. Whole: share of '
             "clips with the whole subject in the frame.", INK, font)  # fmt: skip
    goal = ", ".join(f"{name} {value:.1f}" for name, value in true.items())
    pen.text((GAP, GAP + LINE), f"True clips: whole 100 %, {goal} (of 255).", INK, font)
    for i, (run, clip) in enumerate(zip(runs, clips, strict=True)):
        row, column = divmod(i, len(BUDGETS))
        left, upper = MARGIN + column * cell_width, head + row * cell_height
        pixels = torch.cat([frames_of(clip)[frame] for frame in PICTURED], dim=1).numpy()
        size = (pixels.shape[1] * SCALE, pixels.shape[0] * SCALE)
        image.paste(Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST), (left, upper))
        found = ", ".join(f"{name} {value:.1f}" for name, value in rulers_of([clip]).items())
        lines = (f"{BUDGETS[column]}x: held-out loss {run['loss']:.4f}",
                 f"whole {run['whole_subject']:.0%}, {found}")  # fmt: skip
        for number, text in enumerate(lines):
            pen.text((left, upper + size[1] + 3 + number * LINE), text, INK, font)
        if column == 0:
            text = f"width\n{WIDTHS[row]}\n{run['parameters'] / 1e6:.2g} M"
            pen.multiline_text((GAP, upper + 30), text, INK, font)
    draw_losses(pen, font, runs, top, image.width)
    return image


def draw_losses(
    pen: ImageDraw.ImageDraw,
    font: Font,
    runs: Sequence[dict[str, float]],
    top: int,
    width: int,
) -> None:
    """Loss against operations on logarithmic axes; a colour a width, and the fitted line."""
    best = least(runs)
    slope, factor = fitted(best)
    losses = [run["loss"] for run in runs]
    x_range = [math.log(best[0][0] / 1.5), math.log(best[-1][0] * 1.5)]
    y_range = [math.log(min(losses) / 1.15), math.log(max(losses) * 1.15)]
    right, bottom = width - PLOT_RIGHT, top + PLOT_HEIGHT - PLOT_BOTTOM

    def place(operations: float, loss: float) -> tuple[float, float]:
        x = (math.log(operations) - x_range[0]) / (x_range[1] - x_range[0])
        y = (math.log(loss) - y_range[0]) / (y_range[1] - y_range[0])
        return MARGIN + x * (right - MARGIN), bottom - y * (bottom - top - PLOT_TOP)

    for tick in (m * 10.0**e for e in range(-4, 3) for m in (1, 1.5, 2, 3, 5, 7)):
        if y_range[0] < math.log(tick) < y_range[1]:
            _, y = place(best[0][0], tick)
            pen.line((MARGIN, y, right, y), FAINT)
            pen.text((MARGIN - 8, y), f"{tick:g}", INK, font, anchor="rm")
    pen.line([(MARGIN, top + PLOT_TOP), (MARGIN, bottom), (right, bottom)], INK)
    pen.text((GAP, top + PLOT_TOP - LINE - 4), "held-out loss", INK, font)
    ends = [math.exp(x) for x in x_range]
    pen.line([place(x, factor * x**slope) for x in ends], INK, 2)
    for i, own in enumerate(WIDTHS):
        points = [place(run["operations"], run["loss"]) for run in runs if run["width"] == own]
        pen.line(points, DOTS[i], 2)
        for x, y in points:
            pen.ellipse((x - 5, y - 5, x + 5, y + 5), DOTS[i])
    law = f"fit to the least of each budget: {factor:.3g} x operations^{slope:.3f}"
    legend = [(f"width {own}", colour) for own, colour in zip(WIDTHS, DOTS, strict=True)]
    for number, (text, colour) in enumerate((*legend, (law, INK))):  # where no falling curve is
        pen.text((right, top + PLOT_TOP + number * LINE), text, colour, font, anchor="ra")
    for budget, (operations, _) in zip(BUDGETS, best, strict=True):
        x, _ = place(operations, losses[0])
        pen.line((x, bottom, x, bottom + 5), INK)
        pen.text((x, bottom + 8), f"{budget}x: {operations:.2g}", INK, font, anchor="ma")
    centre = (MARGIN + right) / 2
    pen.text((centre, bottom + 8 + LINE), "operations of training", INK, font, anchor="ma")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options: `minutes` of one core at the smallest budget; `out` is a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="of one core, at 1x")
    parser.add_argument("--out", type=Path, default=Path("runs/scaling"))
    parser.add_argument("--picture", type=Path, default=Path("docs/scaling.png"))
    parser.add_argument("--draw", action="store_true", help="train nothing, draw what OUT holds")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Trains each width at each budget that `--out` lacks; writes the picture, prints the fit.

    SystemExit if `--minutes` is not above 0, or if `--draw` lacks a run.
    """
    args = parse(arguments)
    if not 0 < args.minutes <= 10_000:
        raise SystemExit("--minutes must be above 0")
    torch.set_num_threads(1)
    if not args.draw:
        args.out.mkdir(parents=True, exist_ok=True)
    done = {}
    for budget, width in product(BUDGETS, WIDTHS):  # the short ones first
        path = args.out / f"{width}-{budget}-{args.minutes:g}.json"
        if args.draw and not path.exists():
            raise SystemExit(f"{path} does not exist: run without --draw first")
        if not path.exists():
            values, clip = measured(width, args.minutes * budget * OPERATIONS_A_MINUTE)
            with replacing(path) as unfinished:
                saved = values | {"width": width, "budget": budget, "clip": clip.tolist()}
                unfinished.write_text(json.dumps(saved))
        run = json.loads(path.read_text())
        done[width, budget] = run, torch.tensor(run.pop("clip"))
        print(", ".join(f"{name} {value:.4g}" for name, value in run.items()), flush=True)
    runs, clips = zip(*(done[at] for at in product(WIDTHS, BUDGETS)), strict=True)
    picture(runs, clips).save(args.picture)
    slope, factor = fitted(least(runs))
    print(f"held-out loss = {factor:.4g} * operations^{slope:.4f}")


if __name__ == "__main__":
    main()
