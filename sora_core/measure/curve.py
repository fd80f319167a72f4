"""Steps as a picture: one curve for each kind, its joins marked with their ratios."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .seams import FLOORS, KINDS, Seams

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

WIDTH, BAND, EDGE, TOP = 640, 96, 12, 18
HIGHEST = 4.0  # usual steps; what is higher is cut off, and its number tells
PAPER, FIELD, INK, FAINT = (24, 24, 28), (36, 36, 42), (225, 225, 230), (90, 90, 100)
CURVES = {"pixels": (86, 156, 214), "flow": (120, 200, 160), "colour": (214, 157, 86)}
JOIN = (230, 90, 90)


def curve(seams: Seams) -> UInt8[Tensor, "y x 3"]:
    """For pixels, flow and colour each step over the usual one, from left to right.

    The line across is 1, the usual step. Joins are red, and at each stands its ratio; that of a
    loop's wrap is at the right end.
    """
    image = Image.new("RGB", (WIDTH, len(KINDS) * (BAND + TOP) + EDGE), PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(11)
    for i, kind in enumerate(KINDS):
        _draw(pen, font, seams, kind, i * (BAND + TOP) + TOP)
    return torch.from_numpy(np.array(image))


def _draw(pen: ImageDraw.ImageDraw, font: Font, seams: Seams, kind: str, top: int) -> None:
    usual, floor = seams.usual(kind), FLOORS[kind]
    heights = (seams.steps.of(kind).clamp(min=floor) / max(usual, floor)).tolist()
    pen.rectangle((EDGE, top, WIDTH - EDGE - 1, top + BAND - 1), fill=FIELD)
    pen.line((EDGE, _y(1, top), WIDTH - EDGE - 1, _y(1, top)), fill=FAINT)
    unit = "px" if kind == "flow" else "/255"
    pen.text((EDGE, top - TOP + 3), f"{kind}: usual step {usual:.2f} {unit}", INK, font)
    joins = [*seams.joins, *([len(heights)] if seams.loop else [])]
    for join in joins:
        x = _x(join, heights)
        pen.line((x, top, x, top + BAND - 1), fill=JOIN)
    points = [(_x(i + 1, heights), _y(height, top)) for i, height in enumerate(heights)]
    pen.line(points, fill=CURVES[kind], width=2)
    for join in joins:
        said = f"{heights[join - 1]:.2f}"
        x = min(_x(join, heights) + 3, WIDTH - EDGE - round(pen.textlength(said, font)) - 2)
        pen.text((x, top + 2), said, JOIN, font)


def _x(step: int, heights: Sequence[float]) -> int:
    return EDGE + round((step - 1) / max(1, len(heights) - 1) * (WIDTH - 2 * EDGE - 1))


def _y(ratio: float, top: int) -> int:
    return top + round((1 - min(ratio, HIGHEST) / HIGHEST) * (BAND - 1))
