"""A curve of a video's steps as a picture; each join is marked with its seam ratio."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .seams import MIN_STEPS, SEAM_KINDS, Seams

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

PLOT_WIDTH, PLOT_BAND, PLOT_EDGE, PLOT_TOP = 640, 96, 12, 18
MAX_RATIO = 4.0  # usual steps; the curve is cut off there, and the number beside it is not
PLOT_PAPER, PLOT_FIELD, PLOT_INK, PLOT_FAINT = (
    (24, 24, 28),
    (36, 36, 42),
    (225, 225, 230),
    (90, 90, 100),
)
CURVES = {"pixels": (86, 156, 214), "flow": (120, 200, 160), "colour": (214, 157, 86)}
JOIN_COLOUR = (230, 90, 90)


def seam_plot(seams: Seams) -> UInt8[Tensor, "y x 3"]:
    """A plot of each step divided by the usual one, for pixels, flow and colour.

    Time runs from left to right; the horizontal line is 1. Joins are red, with their ratios; the
    wrap of a loop is at the right end.
    """
    image = Image.new(
        "RGB", (PLOT_WIDTH, len(SEAM_KINDS) * (PLOT_BAND + PLOT_TOP) + PLOT_EDGE), PLOT_PAPER
    )
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(11)
    for i, kind in enumerate(SEAM_KINDS):
        _draw_curve(pen, font, seams, kind, i * (PLOT_BAND + PLOT_TOP) + PLOT_TOP)
    return torch.from_numpy(np.array(image))


def _draw_curve(pen: ImageDraw.ImageDraw, font: Font, seams: Seams, kind: str, top: int) -> None:
    usual, floor = seams.usual(kind), MIN_STEPS[kind]
    heights = (seams.steps.of(kind).clamp(min=floor) / max(usual, floor)).tolist()
    pen.rectangle(
        (PLOT_EDGE, top, PLOT_WIDTH - PLOT_EDGE - 1, top + PLOT_BAND - 1), fill=PLOT_FIELD
    )
    pen.line(
        (PLOT_EDGE, _ratio_y(1, top), PLOT_WIDTH - PLOT_EDGE - 1, _ratio_y(1, top)), fill=PLOT_FAINT
    )
    unit = "px" if kind == "flow" else "/255"
    pen.text(
        (PLOT_EDGE, top - PLOT_TOP + 3), f"{kind}: usual step {usual:.2f} {unit}", PLOT_INK, font
    )
    joins = [*seams.joins, *([len(heights)] if seams.loop else [])]
    for join in joins:
        x = _step_x(join, heights)
        pen.line((x, top, x, top + PLOT_BAND - 1), fill=JOIN_COLOUR)
    points = [(_step_x(i + 1, heights), _ratio_y(height, top)) for i, height in enumerate(heights)]
    pen.line(points, fill=CURVES[kind], width=2)
    for join in joins:
        label = f"{heights[join - 1]:.2f}"
        x = min(
            _step_x(join, heights) + 3,
            PLOT_WIDTH - PLOT_EDGE - round(pen.textlength(label, font)) - 2,
        )
        pen.text((x, top + 2), label, JOIN_COLOUR, font)


def _step_x(step: int, heights: Sequence[float]) -> int:
    return PLOT_EDGE + round(
        (step - 1) / max(1, len(heights) - 1) * (PLOT_WIDTH - 2 * PLOT_EDGE - 1)
    )


def _ratio_y(ratio: float, top: int) -> int:
    return top + round((1 - min(ratio, MAX_RATIO) / MAX_RATIO) * (PLOT_BAND - 1))
