"""The loss curve of a run as a picture, for viewers without HTML."""

import math

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ...shapes import Frames
from .history import LossCurve

CURVE_SIZE = 640, 320
EDGE_LEFT, EDGE_TOP, EDGE_RIGHT, EDGE_BOTTOM = 52, 14, 14, 30
GRID_LINES = 4
BACKGROUND, AXIS, TRAIN_COLOUR = "#fafaf8", "#b8b8bc", "#2f5e8e"
HELD_OUT_COLOURS = "#c0602a", "#3f8f4f", "#8a4f9f", "#a03030", "#6b6b2f"


def loss_picture(points: LossCurve, held_out: dict[str, LossCurve], steps: int) -> Frames:
    """A plot of the training loss and the `held_out` losses by name over `steps`, [1 y x 3]."""
    image = Image.new("RGB", CURVE_SIZE, BACKGROUND)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default()
    curves = [("loss", points, TRAIN_COLOUR)]
    curves += [
        (name, curve, HELD_OUT_COLOURS[i % len(HELD_OUT_COLOURS)])
        for i, (name, curve) in enumerate(sorted(held_out.items()))
    ]
    finite = [[(s, v) for s, v in curve if math.isfinite(v)] for _, curve, _ in curves]
    values = [value for curve in finite for _, value in curve] or [0.0, 1.0]
    low, high = min(values), max(values)
    high = high if high > low else low + 1e-6
    width, height = CURVE_SIZE[0] - EDGE_LEFT - EDGE_RIGHT, CURVE_SIZE[1] - EDGE_TOP - EDGE_BOTTOM
    for i in range(GRID_LINES + 1):
        y = EDGE_TOP + height * i // GRID_LINES
        draw.line([(EDGE_LEFT, y), (EDGE_LEFT + width, y)], AXIS)
        draw.text((4, y - 6), f"{high - (high - low) * i / GRID_LINES:.3g}", AXIS, font)
    draw.text((EDGE_LEFT, EDGE_TOP + height + 8), "0", AXIS, font)
    draw.text((EDGE_LEFT + width - 50, EDGE_TOP + height + 8), f"{steps} steps", AXIS, font)
    for i, ((name, _, colour), curve) in enumerate(zip(curves, finite, strict=True)):
        at = [
            (
                EDGE_LEFT + width * step / max(1, steps),
                EDGE_TOP + height * (high - value) / (high - low),
            )
            for step, value in curve
        ]
        if len(at) > 1:
            draw.line(at, colour, 2)
        for x, y in at[-1:]:
            draw.ellipse([x - 3, y - 3, x + 3, y + 3], colour)
        draw.text((EDGE_LEFT + width - 130, EDGE_TOP + 4 + 14 * i), name, colour, font)
    return torch.from_numpy(np.array(image))[None]
