"""Held-out loss against compute, of three widths at three budgets, as the picture docs/scaling.png.

    python -m tools.scaling --minutes 1

The small learner of `tools.paper_options`: each width trains for 1, 4 and 16 times `--minutes` at
40 GFLOP/s, what one core here reaches. Weights, clips and noise have the same seed everywhere, and
the picture has the same prompt and the same noise at each. `--out` holds what is done; the same
command goes on where it stopped.
"""

import argparse
import json
import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from sora_core.files import replacing

from .paper_options import OPERATIONS_A_MINUTE, in_frame
from .small_learner.clips import PROMPTS, SQUARE
from .small_learner.model import LearnerConfig
from .small_learner.training import FLOW_ONLY, generated, held_out, square_clips, trained

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
WIDTHS, BUDGETS = (32, 64, 128), (1, 4, 16)
PROMPT, SEED, PICTURED = 3, 0, (1, 4, 6)  # a prompt, a seed and the frames of the picture
SCALE, GAP, PLOT, MARGIN, LINE = 4, 8, (700, 420), 64, 18  # pixels
PAPER, INK, FAINT = (250, 250, 248), (30, 30, 34), (200, 200, 200)
DOTS = ((86, 120, 200), (60, 160, 110), (210, 110, 60))


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


def picture(runs: Sequence[dict[str, float]], clips: Sequence[Tensor]) -> Image.Image:
    """Clips of each width (rows) and budget (columns) above the curve of losses with its fit."""
    font = ImageFont.load_default(13)
    cell_width = len(PICTURED) * SQUARE[1] * SCALE + GAP
    cell_height = SQUARE[0] * SCALE + 22
    grid_width = len(BUDGETS) * cell_width + MARGIN + 20
    top = 2 * GAP + 20 + len(WIDTHS) * cell_height
    image = Image.new("RGB", (max(PLOT[0], grid_width), top + PLOT[1]), PAPER)
    pen = ImageDraw.Draw(image)
    pen.text(
        (GAP, GAP),
        f'"{PROMPTS[PROMPT]}", one seed; frames {", ".join(map(str, PICTURED))} of 8',
        INK,
        font,
    )
    for i, clip in enumerate(clips):
        row, column = divmod(i, len(BUDGETS))
        left, upper = MARGIN + 20 + column * cell_width, GAP + 20 + row * cell_height
        strip = torch.cat([clip[:, frame] for frame in PICTURED], dim=-1)
        pixels = ((strip + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        size = (pixels.shape[1] * SCALE, pixels.shape[0] * SCALE)
        image.paste(Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST), (left, upper))
        text = (
            f"{BUDGETS[column]}x: loss {runs[i]['loss']:.3f}, whole {runs[i]['whole_subject']:.0%}"
        )
        pen.text((left, upper + SQUARE[0] * SCALE + 2), text, INK, font)
        if column == 0:
            pen.text((GAP, upper + 30), f"width\n{WIDTHS[row]}", INK, font)
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

    def place(operations: float, loss: float) -> tuple[float, float]:
        x = (math.log(operations) - x_range[0]) / (x_range[1] - x_range[0])
        y = (math.log(loss) - y_range[0]) / (y_range[1] - y_range[0])
        return MARGIN + x * (width - MARGIN - 20), top + PLOT[1] - 50 - y * (PLOT[1] - 90)

    law = f"held-out loss = {factor:.3g} x operations^{slope:.3f}, through the best of each budget"
    pen.text((MARGIN, top + 4), law, INK, font)
    for tick in (m * 10.0**e for e in range(-4, 3) for m in (1, 2, 3, 5, 7)):
        if y_range[0] < math.log(tick) < y_range[1]:
            _, y = place(best[0][0], tick)
            pen.line((MARGIN, y, width - 20, y), FAINT)
            pen.text((10, y - 8), f"{tick:g}", INK, font)
    ends = [math.exp(x) for x in x_range]
    pen.line([place(x, factor * x**slope) for x in ends], INK, 2)
    for i, own in enumerate(WIDTHS):
        points = [place(run["operations"], run["loss"]) for run in runs if run["width"] == own]
        pen.line(points, DOTS[i], 2)
        for x, y in points:
            pen.ellipse((x - 5, y - 5, x + 5, y + 5), DOTS[i])
        legend = (width - 100, top + 30 + i * LINE)  # a corner where no falling curve passes
        pen.text(legend, f"width {own}", DOTS[i], font)
    for operations, _ in best:
        x, _ = place(operations, losses[0])
        pen.text((x - 30, top + PLOT[1] - 40), f"{operations:.2g}", INK, font)
    pen.text((width // 2 - 90, top + PLOT[1] - 20), "operations of training", INK, font)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="of one core, at 1x")
    parser.add_argument("--out", type=Path, default=Path("runs/scaling"))
    parser.add_argument("--picture", type=Path, default=Path("docs/scaling.png"))
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    if not 0 < args.minutes <= 10_000:
        raise SystemExit("--minutes must be above 0")
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    done = {}
    for budget, width in product(BUDGETS, WIDTHS):  # the short ones first
        path = args.out / f"{width}-{budget}-{args.minutes:g}.json"
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
