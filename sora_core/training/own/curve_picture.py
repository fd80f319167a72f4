"""The loss curve of a run as a picture, for viewers without HTML.

The page of the host shows it at the width of a node, about half of its own: the letters are large.
"""

import math

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ...shapes import Frames
from .history import HELD_OUT_MEAN, HELD_OUT_PREFIX, LossCurve
from .page import log_ticks, thinned, ticks

CURVE_SIZE = 560, 300
EDGE_LEFT, EDGE_TOP, EDGE_RIGHT, EDGE_BOTTOM = 64, 38, 24, 32
CURVE_LETTER, LEGEND_GAP = 20, 16  # pixels
LEAST_LOSS = 1e-12  # on the logarithmic axis
BACKGROUND, GRID_COLOUR, AXIS_COLOUR = "#fafaf8", "#dcdce0", "#55555c"
TRAIN_COLOUR, MEAN_COLOUR = "#2f5e8e", "#c0401c"
LEVEL_COLOURS = "#3f8f4f", "#8a4f9f", "#8a7412"


def loss_picture(points: LossCurve, held_out: dict[str, LossCurve], steps: int) -> Frames:
    """A plot of the training loss and the `held_out` losses by name over `steps`, [1 y x 3].

    The scale of the losses is logarithmic. Of `held_out` the mean and three noise levels are drawn.
    """
    image = Image.new("RGB", CURVE_SIZE, BACKGROUND)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(CURVE_LETTER)
    curves = [
        (title, thinned([(s, max(v, LEAST_LOSS)) for s, v in curve if math.isfinite(v)]), colour)
        for title, curve, colour in named_curves(points, held_out)
    ]
    values = [math.log10(value) for _, curve, _ in curves for _, value in curve] or [-1.0, 0.0]
    spread = max(max(values) - min(values), 0.1)
    low, high = min(values) - 0.05 * spread, max(values) + 0.05 * spread
    right, bottom = CURVE_SIZE[0] - EDGE_RIGHT, CURVE_SIZE[1] - EDGE_BOTTOM

    def place(step: float, value: float) -> tuple[float, float]:
        x = EDGE_LEFT + (right - EDGE_LEFT) * step / max(1, steps)
        return x, EDGE_TOP + (bottom - EDGE_TOP) * (high - math.log10(value)) / (high - low)

    for value in log_ticks(low, high):
        _, y = place(0, value)
        pen.line([(EDGE_LEFT, y), (right, y)], GRID_COLOUR)
        pen.text((EDGE_LEFT - 6, y), f"{value:.3g}", AXIS_COLOUR, font, anchor="rm")
    for step in dict.fromkeys(map(round, ticks(0, max(1, steps)))):
        x, _ = place(step, 10**low)
        pen.line([(x, bottom), (x, bottom + 4)], AXIS_COLOUR)
        pen.text((x, bottom + 6), str(step) if step else "step 0", AXIS_COLOUR, font, anchor="ma")
    pen.line([(EDGE_LEFT, EDGE_TOP), (EDGE_LEFT, bottom), (right, bottom)], AXIS_COLOUR)
    pen.text((6, 8), "loss", AXIS_COLOUR, font)
    left = float(EDGE_LEFT)
    for title, curve, colour in curves:
        at = [place(step, value) for step, value in curve]
        if len(at) > 1:
            pen.line(at, colour, 2)
        for x, y in at[-1:]:
            pen.ellipse([x - 3, y - 3, x + 3, y + 3], colour)
        pen.text((left, 8), title, colour, font)
        left += pen.textlength(title, font) + LEGEND_GAP
    return torch.from_numpy(np.array(image))[None]


def named_curves(
    points: LossCurve, held_out: dict[str, LossCurve]
) -> list[tuple[str, LossCurve, str]]:
    """Title, points and colour of each curve that is drawn: training, held out, at its levels."""
    levels = sorted(name for name in held_out if name.removeprefix(HELD_OUT_PREFIX)[:1].isdigit())
    found = [("training", points, TRAIN_COLOUR)]
    found += [
        (f"at {name.removeprefix(HELD_OUT_PREFIX)}", held_out[name], colour)
        for name, colour in zip(levels, LEVEL_COLOURS, strict=False)
    ]
    if HELD_OUT_MEAN in held_out:
        found.insert(1, ("held out", held_out[HELD_OUT_MEAN], MEAN_COLOUR))
    return found
